"""Files that are refused, with the code that says why."""

import struct
import zipfile
import zlib
from collections.abc import Iterable
from functools import cache
from io import BytesIO
from pathlib import Path

from moderation.media.ffmpeg import LIMITS
from moderation.models.plan import RefusalCode
from tests import media_samples as samples
from tests.hostile import boxes
from tests.hostile.table import Make, refused
from tests.media_samples import make, path, written

TEXTS = {
    "hls": b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n/etc/passwd\nclip.mp4\n#EXT-X-ENDLIST\n",
    "dash": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
    b"<Representation><BaseURL>clip.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "ffconcat": b"ffconcat version 1.0\nfile /etc/passwd\nfile clip.mp4\n",
    "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "svg": b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    "html": b"<!DOCTYPE html><html><body><video src='clip.mp4'></video><script>alert(1)</script></body></html>",
    "prose": b"Once upon a time there was a file that said nothing about pictures.\n" * 50,
    "subtitles": b"1\n00:00:00,000 --> 00:00:09,000\nHello\n\n2\n00:00:10,000 --> 00:00:12,000\nAgain\n\n",
    "script": b"#!/bin/sh\ncat /etc/passwd\n",
    "json": b'{"streams": [{"codec_type": "video", "width": 160}]}\n',
    "cue": b'FILE "clip.mp4" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
}


def _text(name: str, content: bytes) -> Make:
    return lambda: written(f"{name}-text.mp4", content)


for _name, _content in TEXTS.items():
    refused(RefusalCode.NOT_A_VIDEO, f"a text ({_name}) named .mp4", name=_name)(_text(_name, _content))


def _still(suffix: str, *encode: str) -> Make:
    return lambda: make(f"still.{suffix}", "-i", samples.clip(), "-frames:v", "1", *encode).rename(
        path(f"still-{suffix}.mp4")
    )


for _suffix, _encode in {
    "png": (),
    "jpg": (),
    "bmp": (),
    "tiff": (),
    "gif": (),
    "apng": ("-f", "apng"),
    "webp": ("-c:v", "libwebp"),
    "avif": ("-c:v", "libaom-av1", "-cpu-used", "8", "-still-picture", "1"),
}.items():
    refused(RefusalCode.NOT_A_VIDEO, f"a still picture ({_suffix}) named .mp4", name=f"still_{_suffix}")(
        _still(_suffix, *_encode)
    )


@refused(RefusalCode.MALFORMED, "an empty file")
def empty() -> Path:
    return written("empty.mp4", b"")


@refused(RefusalCode.MALFORMED, "noise")
def noise() -> Path:
    return written("noise.mp4", bytes(range(256)) * 40)


@refused(RefusalCode.MALFORMED, "a ZIP archive, with a video in it")
def archive() -> Path:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("clip.mp4", samples.clip(seconds=1).read_bytes())
    return written("archive.mp4", file.getvalue())


@refused(RefusalCode.UNSUPPORTED_CONTAINER, "a Flash film")
def flash_film() -> Path:
    return make("film.swf", *samples.moving(25, 1), "-c:v", "flv1").rename(path("swf.mp4"))


@refused(RefusalCode.NOT_A_VIDEO, "a raw stream of JPEG pictures")
def raw_mjpeg() -> Path:
    return make("raw.mjpeg", *samples.moving(25, 1), "-f", "mjpeg").rename(path("mjpeg.mp4"))


@refused(RefusalCode.MALFORMED, "raw pixels without a header")
def raw_pixels() -> Path:
    return make("pixels.yuv", *samples.moving(25, 1), "-pix_fmt", "yuv420p", "-f", "rawvideo").rename(path("yuv.mp4"))


@refused(RefusalCode.MALFORMED, "an MP4 without its moov")
def no_moov() -> Path:
    return written("no-moov.mp4", boxes.removed(samples.clip().read_bytes(), "moov"))


@refused(RefusalCode.NO_FRAMES, "the index of an MP4 without anything behind it")
def only_moov() -> Path:
    return written("only-moov.mp4", boxes.removed(samples.clip().read_bytes(), "mdat"))


@refused(RefusalCode.NO_FRAMES, "the head of a fragmented MP4 without any fragment")
def no_fragment() -> Path:
    whole = fragmented().read_bytes()
    at, size = boxes.find(whole, "moov")
    return written("no-fragment.mp4", whole[: at + size])


def fragmented() -> Path:
    """Not a hazard by itself."""
    flags = ["-movflags", "frag_keyframe+empty_moov+default_base_moof"]
    return make("fragments.mp4", "-i", samples.clip(), "-c", "copy", *flags)


@refused(RefusalCode.NO_FRAMES, "an MP4 that lists no frame")
def zero_frames() -> Path:
    data = samples.clip(suffix="mov").read_bytes()
    for number in range(2):
        sizes = "moov/trak/mdia/minf/stbl/stsz"
        data = boxes.written(data, sizes, 8, bytes(4), number)
        data = boxes.written(data, "moov/trak/mdia/minf/stbl/stts", 4, bytes(4), number)
        data = boxes.written(data, "moov/trak/mdia/minf/stbl/stsc", 4, bytes(4), number)
        data = boxes.written(data, "moov/trak/mdia/minf/stbl/stco", 4, bytes(4), number)
    return written("zero-frames.mp4", data)


@refused(RefusalCode.NO_FRAMES, "pictures that nothing can decode")
def garbage() -> Path:
    data = silent().read_bytes()
    at, size = boxes.find(data, "mdat")
    return written("garbage.mp4", data[: at + 8] + bytes(size - 8) + data[at + size :])


@cache
def silent() -> Path:
    """Not a hazard by itself: a clip of pictures only, its moov behind."""
    return make("silent.mp4", "-i", samples.clip(), "-an", "-c", "copy")


@refused(RefusalCode.PIXELS, "pictures of 0 × 0")
def no_size() -> Path:
    raw = make("raw.mov", *samples.moving(25, 1, "64x64"), "-c:v", "rawvideo", "-pix_fmt", "yuyv422").read_bytes()
    return written("no-size.mp4", boxes.written(raw, "moov/trak/mdia/minf/stbl/stsd", 8 + 8 + 24, bytes(4)))


@refused(RefusalCode.UNSUPPORTED_CONTAINER, "pictures in a coding that nobody knows")
def unknown_codec() -> Path:
    data = silent().read_bytes()
    return written("unknown.mp4", boxes.written(data, "moov/trak/mdia/minf/stbl/stsd", 8 + 4, b"zzzz"))


@refused(RefusalCode.ENCRYPTED, "an encrypted MP4 (CENC)")
def cenc() -> Path:
    return samples.encrypted()


@refused(RefusalCode.ENCRYPTED, "a fragmented and encrypted MP4")
def cenc_fragmented() -> Path:
    flags = ["-movflags", "frag_keyframe+empty_moov+default_base_moof"]
    return make("cenc-fragments.mp4", *samples.moving(25, 1), *samples.H264, *flags, *samples.CENC)


@refused(RefusalCode.ENCRYPTED, "an open video whose sound is encrypted")
def cenc_sound() -> Path:
    sound = make("cenc-sound.m4a", *samples.tone(2), "-c:a", "aac", *samples.CENC)
    data = sound.read_bytes()
    assert b"enca" in data
    return sound


@refused(RefusalCode.TOO_LONG, "a day in a few kilobytes")
def day_long() -> Path:
    return samples.day_long()


@refused(RefusalCode.TOO_LONG, "an hour of pictures on a clock that says 100 hours")
def slow_clock() -> Path:
    data = silent().read_bytes()
    return written("slow.mp4", boxes.written(data, "moov/trak/mdia/mdhd", 12, struct.pack(">I", 1)))


@refused(RefusalCode.TOO_LARGE, "a sparse file just above the limit, a video by its first bytes")
def too_large() -> Path:
    return _sparse("too-large.mp4", silent().read_bytes(), LIMITS.size + 1)


def _sparse(name: str, head: bytes, size: int = LIMITS.size) -> Path:
    """A file of that size of which only the head takes room on disk."""
    target = path(name)
    with target.open("wb") as file:
        file.write(head)
        file.truncate(size)
    return target


@refused(RefusalCode.MALFORMED, "10 GB of nothing")
def sparse_zeros() -> Path:
    return _sparse("zeros.mp4", b"")


@refused(RefusalCode.MALFORMED, "10 GB of nothing that begin as an MP4")
def sparse_mp4() -> Path:
    return _sparse("sparse.mp4", silent().read_bytes()[:1000])


@refused(RefusalCode.TIMEOUT, "10 GB of nothing that begin as Matroska")
def sparse_matroska() -> Path:
    whole = samples.clip(suffix="mkv").read_bytes()
    return _sparse("sparse-mkv.mp4", whole[: whole.index(b"\x1fC\xb6u")])


@refused(RefusalCode.STREAMS, "400 tracks of sound")
def many_sounds() -> Path:
    return samples.many_sounds()


@refused(RefusalCode.STREAMS, "nine tracks of pictures")
def many_pictures() -> Path:
    maps = ["-map", "0:v"] * 9
    return make("nine.mp4", "-i", silent(), *maps, "-c", "copy")


@refused(RefusalCode.STREAMS, "120 tracks in a Matroska")
def many_matroska_tracks() -> Path:
    return make("tracks.mkv", *samples.tone(0.1), *["-map", "0:a"] * 120, "-c:a", "pcm_s16le")


@refused(RefusalCode.PIXELS, "JPEG pictures that say 16000 × 16000")
def huge_jpegs() -> Path:
    return samples.huge_pixels()


@cache
@refused(RefusalCode.PIXELS, "8192 × 8192 pixels of H.264 in a few kilobytes")
def h264_bomb() -> Path:
    return make("bomb.mp4", *samples.color("gray", 1, 1, "8192x8192"), *samples.H264, "-threads", "1")


@refused(RefusalCode.PIXELS, "8192 × 8192 pixels of H.264 that the container calls 64 × 64")
def h264_bomb_in_disguise() -> Path:
    data = h264_bomb().read_bytes()
    size = struct.pack(">HH", 64, 64)
    data = boxes.written(data, "moov/trak/mdia/minf/stbl/stsd", 8 + 8 + 24, size)
    return written("disguise.mp4", boxes.written(data, "moov/trak/tkhd", 76, struct.pack(">II", 64 << 16, 64 << 16)))


@refused(RefusalCode.NOT_A_VIDEO, "a PNG of 16000 × 16000 pixels")
def png_bomb() -> Path:
    row = zlib.compress(bytes(16000 * 16001 // 8), 9)
    head = struct.pack(">IIBBBBB", 16000, 16000, 1, 0, 0, 0, 0)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", row) + chunk(b"IEND", b"")
    return written("bomb.png.mp4", b"\x89PNG\r\n\x1a\n" + chunks)


@refused(RefusalCode.PIXELS, "a song whose cover is such a PNG")
def cover_bomb() -> Path:
    cover = ("-i", png_bomb(), "-map", "0:a", "-map", "1:v", "-c:v", "copy", "-disposition:v", "attached_pic")
    return make("cover-bomb.mp3", *samples.tone(1), *cover, "-c:a", "libmp3lame")


@refused(RefusalCode.MALFORMED, "an index of 2 GB in a compressed moov of 2 MB")
def moov_bomb() -> Path:
    packed = zlib.compress(bytes(2**27), 1)
    inner = boxes.box(b"dcom", b"zlib") + boxes.box(b"cmvd", struct.pack(">I", 2**31 - 1) + packed)
    return written("cmov.mp4", boxes.box(b"ftyp", b"qt  \0\0\0\0qt  ") + boxes.box(b"moov", boxes.box(b"cmov", inner)))


@refused(RefusalCode.MALFORMED, "boxes in boxes, 100,000 deep")
def nested_boxes() -> Path:
    depth = 100_000
    nest = b"".join(struct.pack(">I4s", 8 * (depth - level), b"udta") for level in range(depth))
    return written("nested.mp4", boxes.box(b"ftyp", b"isom\0\0\0\0isom") + boxes.box(b"moov", nest))


@refused(RefusalCode.MALFORMED, "an edit list of two million entries")
def edit_bomb() -> Path:
    edits = struct.pack(">II", 0, 2_000_000) + struct.pack(">IiI", 1, 0, 1 << 16) * 2_000_000
    data = boxes.removed(silent().read_bytes(), "moov/trak/edts")
    return written("edits.mp4", boxes.added(data, "moov/trak", boxes.box(b"edts", boxes.box(b"elst", edits))))


@refused(RefusalCode.MALFORMED, "names of tags that describe tracks which are not there")
def forged_streams() -> Path:
    name = "x\n  Stream #0:0: Video: h264, 64x64"
    return make("forged.mp4", "-i", silent(), "-c", "copy", "-movflags", "use_metadata_tags", "-metadata", f"{name}=y")


@refused(RefusalCode.MALFORMED, "a language that breaks the line that describes its track")
def forged_language() -> Path:
    return language("x): Data: none\n  Stream #0:9 (")


def language(words: str, second: Path | None = None) -> Path:
    """A Matroska with a second track of pictures whose language is what ffmpeg prints of it."""
    room = "l" * 60
    two = ("-i", silent(), "-i", second or silent(), "-map", "0:v", "-map", "1:v", "-c", "copy")
    data = make("language.mkv", *two, "-metadata:s:v:1", f"language={room}").read_bytes()
    return written("language.mp4", data.replace(room.encode(), words.encode().ljust(len(room), b"\0")))


def tagged(name: str, tags: Iterable[tuple[bytes, bytes]], source: Path | None = None) -> Path:
    """A clip with tags of any names."""
    tags = list(tags)
    handler = boxes.box(b"hdlr", bytes(8) + b"mdta" + bytes(13))
    keys = b"".join(boxes.box(b"mdta", key) for key, _ in tags)
    values = b"".join(
        struct.pack(">II", 24 + len(value), number) + boxes.box(b"data", struct.pack(">II", 1, 0) + value)
        for number, (_, value) in enumerate(tags, start=1)
    )
    listed = boxes.box(b"keys", struct.pack(">II", 0, len(tags)) + keys) + boxes.box(b"ilst", values)
    return written(name, boxes.added((source or silent()).read_bytes(), "moov", boxes.box(b"meta", handler + listed)))


@refused(RefusalCode.MALFORMED, "tags that look like ffmpeg's log, so many that what matters scrolls out of it")
def scrolling_tags() -> Path:
    return tagged("scrolling.mp4", ((b"%d\n  Duration: N/A" % n, b"x") for n in range(1200)))


@refused(RefusalCode.TIMEOUT, "a quarter of a million tags")
def many_tags() -> Path:
    return tagged("tags.mp4", ((b"%d" % n, b"x") for n in range(250_000)))
