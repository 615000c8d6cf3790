"""Read the tensors of a PyTorch checkpoint, without PyTorch and without running what the file asks for."""

import pickle  # only read by _Reader, which refuses what it does not know  # nosec B403
import zipfile
from collections import OrderedDict
from io import BytesIO
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from greenlight.weights.graph import Array

_STORAGES = {"FloatStorage": "<f4", "HalfStorage": "<f2", "LongStorage": "<i8"}


def read_tensors(content: bytes) -> dict[str, Array]:
    """The tensors of a state dict by name, from the zip file that `torch.save` writes.

    Raises ValueError for anything else than tensors of numbers.
    """
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            (index,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            tensors = _Reader(archive, index.removesuffix("data.pkl")).load()
    except (zipfile.BadZipFile, pickle.UnpicklingError, KeyError, EOFError) as error:
        raise ValueError(f"not a checkpoint of tensors: {error}") from error
    if not isinstance(tensors, dict) or not all(isinstance(tensor, np.ndarray) for tensor in tensors.values()):
        raise ValueError("not a checkpoint of tensors")
    return tensors


class _Reader(pickle.Unpickler):
    """Knows three names that a state dict needs; every other name in the file is refused, so nothing of it is run."""

    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(BytesIO(archive.read(f"{folder}data.pkl")))
        self._archive, self._folder = archive, folder

    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return _tensor
            case "torch", _ if name in _STORAGES:
                return np.dtype(_STORAGES[name])
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")

    def persistent_load(self, reference: Any) -> Array:
        kind, storage, key, _, count = reference
        if kind != "storage" or not isinstance(storage, np.dtype):
            raise pickle.UnpicklingError(f"{kind} is not allowed")
        return np.frombuffer(self._archive.read(f"{self._folder}data/{key}"), storage, count)


def _tensor(storage: Array, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> Array:
    last = offset + sum((length - 1) * step for length, step in zip(shape, strides, strict=True))
    if min(offset, *shape, *strides, 0) < 0 or last >= storage.size:
        raise pickle.UnpicklingError("a tensor lies outside its storage")
    return as_strided(storage[offset:], shape, [step * storage.itemsize for step in strides])
