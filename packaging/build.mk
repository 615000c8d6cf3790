# Builds what template.yaml deploys, on any machine: without a container, and without Lambda's Python. `sam build` chooses
# the Makefile of an architecture by the parameter Architecture, and calls build-<resource> with ARTIFACTS_DIR in the checkout.

UV ?= $(firstword $(wildcard .venv/bin/uv) uv)
GREENLIGHT ?= $(firstword $(wildcard .venv/bin/greenlight) greenlight)
PYTHON ?= $(firstword $(wildcard .venv/bin/python) python3)
# Compiles to .pyc, where there is one of the right version.
LAMBDA_PYTHON ?= $(shell python3.13 -c 'import sys; print(sys.executable)' 2>/dev/null)

export UV_PYTHON_DOWNLOADS := never
export UV_CACHE_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/greenlight/uv
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh
.SHELLFLAGS := -euc

# $(call install,REQUIREMENTS,FOLDER)
# Of the .dist-info the name, version and licences stay.
install = $(UV) pip install --quiet --no-deps --require-hashes --only-binary :all: --link-mode copy --no-compile \
		--python $(PYTHON) --python-platform $(PLATFORM) --python-version 3.13 --target $(2) --requirements $(1) && \
	rm -rf $(2)/bin $(2)/.lock && \
	find $(2) -path '*.dist-info/*' -type f ! -path '*/licenses/*' ! -name METADATA ! -iname '*licen[cs]e*' ! -iname '*notice*' -delete

# $(call compile,FOLDER,WHERE LAMBDA FINDS IT)
# Unchecked: the times of files do not survive packaging. The paths are for tracebacks.
compile = $(if $(LAMBDA_PYTHON),$(LAMBDA_PYTHON) -m compileall -q -j 0 --invalidation-mode unchecked-hash -s $(1) -p $(2) $(1),\
	echo 'No python3.13 here: $(notdir $(@)) goes without .pyc, and cold calls take longer.' >&2)

# $(call copy,FROM,TO): sources only.
copy = mkdir -p $(2) && (cd $(1) && tar -c --exclude __pycache__ --exclude '*.pyc' .) | tar -x -C $(2)

SITE = $(ARTIFACTS_DIR)/python

build-ModerationLayer:
	@$(call install,layers/moderation/requirements.txt,$(SITE))
	@$(call copy,layers/moderation/moderation,$(SITE)/moderation)
	@$(call compile,$(SITE),/opt/python)

# onnxruntime: the Python binding has the library linked in, so the second copy goes, and all that trains, converts or
# checks models. Pillow: no AVIF, which is no picture that may be uploaded. Nothing is stripped: that breaks numpy.libs.
build-InferenceLayer:
	@$(call install,layers/inference/requirements.txt,$(SITE))
	@cd $(SITE) && rm -rf onnxruntime/capi/libonnxruntime.so* onnxruntime/transformers onnxruntime/tools \
		onnxruntime/quantization onnxruntime/datasets onnxruntime/backend google protobuf-* flatbuffers flatbuffers-* \
		numpy/f2py numpy/_core/include numpy/_pyinstaller numpy/testing/tests numpy/distutils \
		PIL/_avif*.so pillow.libs/libavif*
	@find $(SITE) -type d -name tests -prune -exec rm -rf {} +
	@find $(SITE) -type f \( -name '*.pyi' -o -name '*.a' -o -name '*.h' -o -name '*.pxd' \) -delete
	@$(call compile,$(SITE),/opt/python)

build-FfmpegLayer:
	@$(call install,layers/ffmpeg/requirements.txt,$(SITE))
	@$(call compile,$(SITE),/opt/python)

build-Weights%Layer:
	@$(GREENLIGHT) weights copy weights-$(shell echo $* | tr '[:upper:]' '[:lower:]') $(ARTIFACTS_DIR)/weights

# ScanFrames lies in functions/scan_frames.
folder = functions/$(shell echo $* | sed 's/\([a-z]\)\([A-Z]\)/\1_\2/g' | tr '[:upper:]' '[:lower:]')

build-%Function:
	@cp $(folder)/*.py $(ARTIFACTS_DIR)
	@$(if $(wildcard $(folder)/requirements.txt),$(call install,$(folder)/requirements.txt,$(ARTIFACTS_DIR)))
	@$(call compile,$(ARTIFACTS_DIR),/var/task)
