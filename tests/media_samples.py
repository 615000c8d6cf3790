"""Small clips and hostile files, made with the bundled ffmpeg once per session."""

import subprocess
import tempfile
from functools import cache
from pathlib import Path

from moderation.media.ffmpeg import executable

_FOLDER = tempfile.TemporaryDirectory(prefix="greenlight-samples-")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
_X264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")
"""With B-frames, unlike the fastest preset."""
_KEY = "76a6c65c5ea762046bd749a2e632ccbb"
CENC = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", _KEY, "-encryption_kid", _KEY[::-1])


def path(name: str) -> Path:
    """Where a sample of this name is, or would be."""
    return Path(_FOLDER.name) / name


def make(name: str, *arguments: str | Path) -> Path:
    """Run ffmpeg into a file of the session's folder."""
    target = path(name)
    command = [executable(), "-nostdin", "-v", "error", "-y", *map(str, arguments), f"file:{target}"]
    subprocess.run(command, check=True)
    return target


def changed(name: str, original: Path, *changes: tuple[int, bytes]) -> Path:
    """A copy of a file with some bytes replaced."""
    data = bytearray(original.read_bytes())
    for at, replacement in changes:
        data[at : at + len(replacement)] = replacement
    path(name).write_bytes(data)
    return path(name)


def color(value: str, fps: int, seconds: float, size: str = "160x90") -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"color={value}:size={size}:rate={fps}:duration={seconds}")


def moving(fps: float, seconds: float, size: str = "160x90") -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate={fps}:duration={seconds}")


def tone(seconds: float, hertz: int = 440) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"sine=frequency={hertz}:sample_rate=44100:duration={seconds}")


@cache
def clip(fps: int = 25, seconds: float = 4, gop: int = 25, suffix: str = "mp4") -> Path:
    """Moving pictures with B-frames and sound."""
    encode = [*_X264, "-g", str(gop), "-bf", "3"]
    name = f"clip-{fps}-{seconds}-{gop}.{suffix}"
    return make(name, *moving(fps, seconds), *tone(seconds), *encode, "-c:a", "aac", "-shortest")


@cache
def open_gop(seconds: float = 6, suffix: str = "mkv") -> Path:
    """Groups of pictures whose first frames lean on the group before."""
    encode = [*_X264, "-g", "25", "-bf", "3", "-x264-params", "open-gop=1:scenecut=0"]
    return make(f"open.{suffix}", *moving(25, seconds), *encode)


@cache
def two_tracks() -> Path:
    """A second video track that is larger than the first."""
    maps = ["-map", "0:v", "-map", "1:v", "-map", "2:a", "-map", "3:a"]
    sources = [*moving(25, 3), *color("red", 25, 3, "320x180"), *tone(3), *tone(3, 880)]
    return make("two.mp4", *sources, *maps, *H264, "-c:a", "aac")


@cache
def still_with(name: str, *, frames: str, seconds: float = 10, fill: str = "white", share: str = "iw:ih") -> Path:
    """A still picture of which the frames that the expression over n names are covered by a filled box."""
    width, height = share.split(":")
    box = f"drawbox=x=0:y=0:w={width}:h={height}:color={fill}:t=fill:enable='{frames}'"
    still = f"smptebars=size=160x90:rate=25:duration={seconds}"
    return make(f"{name}.mp4", "-f", "lavfi", "-i", still, "-vf", box, *_X264, "-g", "250")


@cache
def foreign_frame(at: int = 125, flash: int | None = None) -> Path:
    """One frame of other content among 250 moving ones, after a white one if `flash` says where."""
    other = "mandelbrot=size=160x90:rate=25"
    white = "" if flash is None else f",drawbox=w=iw:h=ih:color=white:t=fill:enable='eq(n,{flash})'"
    graph = f"[0:v][1:v]overlay=enable='eq(n,{at})':shortest=1{white}"
    name = f"foreign-{at}-{flash}.mp4"
    return make(name, *moving(25, 10), "-f", "lavfi", "-i", other, "-filter_complex", graph, *_X264, "-g", "250")


@cache
def strobe(seconds: int = 16) -> Path:
    """Black and white and two grays in turn, on every frame."""
    lut = "geq=lum='if(mod(N,2),255*mod(floor(N/2),2),80+80*mod(floor(N/2),2))':cb=128:cr=128"
    return make("strobe.mp4", *color("gray", 25, seconds, "64x64"), "-vf", lut, *H264)


@cache
def variable_rate() -> Path:
    """Bursts of frames and pauses of up to two seconds."""
    pick = "select='lt(mod(n,75),12)+eq(n,40)+eq(n,63)'"
    return make("variable.mp4", *moving(25, 9), "-vf", pick, "-fps_mode", "vfr", *_X264)


@cache
def gif(fps: int = 10, seconds: float = 3) -> Path:
    return make(f"moving-{fps}-{seconds}.gif", *moving(fps, seconds))


@cache
def rotated(degrees: int) -> Path:
    """Stored 160×90 with a red left half; shown turned by so many degrees clockwise."""
    box = "drawbox=w=iw/2:h=ih:color=red:t=fill"
    flat = make("flat.mp4", *color("blue", 25, 1), "-vf", box, *H264)
    return make(f"rotated-{degrees}.mp4", "-display_rotation", str(-degrees), "-i", flat, "-c", "copy")


@cache
def squeezed() -> Path:
    """Stored 160×90 with pixels half as wide as high."""
    return make("squeezed.mp4", *moving(25, 1), "-vf", "setsar=1/2", *H264)


@cache
def hidden_half() -> Path:
    """Ten seconds, the second five of them red, of which the edit list shows the first five."""
    sources = [*color("blue", 25, 10), "-vf", "drawbox=w=iw:h=ih:color=red:t=fill:enable='gte(t,5)'"]
    whole = make("whole.mp4", *sources, *_X264)
    at = whole.read_bytes().index(b"elst") + 12
    return changed("hidden.mp4", whole, (at, (5000).to_bytes(4, "big")))


@cache
def hidden_start() -> Path:
    """Four seconds of one group of pictures, of which the edit list hides the first two."""
    return make("late.mp4", "-ss", "2", "-i", clip(gop=250), "-c", "copy")


@cache
def false_duration() -> Path:
    """Ten seconds that the header calls one millisecond."""
    honest = make("honest.mp4", *moving(25, 10), *_X264, "-use_editlist", "0")
    data = honest.read_bytes()
    one = (1).to_bytes(4, "big")
    return changed(
        "brief.mp4",
        honest,
        (data.index(b"mvhd") + 4 + 16, one),
        (data.index(b"tkhd") + 4 + 20, one),
        (data.index(b"mdhd") + 4 + 16, one),
    )


@cache
def day_long() -> Path:
    """A few kilobytes whose second frame is shown a day after the first."""
    spread = "setpts=N*86400/TB"
    return make("day.mp4", *color("blue", 1, 2), "-vf", spread, "-fps_mode", "passthrough", *H264)


@cache
def many_sounds(tracks: int = 400) -> Path:
    maps = [part for _ in range(tracks) for part in ("-map", "0:a")]
    return make("sounds.mp4", *tone(0.1), *maps, "-c:a", "pcm_s16le", "-f", "mov")


@cache
def huge_pixels() -> Path:
    """A tiny JPEG track that announces 16000×16000 pixels, in the container and in the pictures."""
    small = make("jpegs.mov", *color("blue", 5, 1, "64x64"), "-c:v", "mjpeg")
    data = small.read_bytes()
    side = (16000).to_bytes(2, "big")
    changes = [(data.index(b"stsd") + 44, side * 2)]
    at = data.find(b"\xff\xc0")
    while at >= 0:
        changes.append((at + 5, side * 2))
        at = data.find(b"\xff\xc0", at + 2)
    return changed("huge.mov", small, *changes)


@cache
def encrypted() -> Path:
    return make("encrypted.mp4", *moving(25, 1), *H264, *CENC)


@cache
def sound_only() -> Path:
    return make("sound.m4a", *tone(4), "-c:a", "aac")


@cache
def sound_with_cover() -> Path:
    """Music with a cover picture, which is no video."""
    cover = make("cover.png", *moving(1, 1), "-frames:v", "1")
    maps = ["-map", "0:a", "-map", "1:v", "-c:v", "copy", "-c:a", "libmp3lame", "-disposition:v", "attached_pic"]
    return make("music.mp3", *tone(2), "-i", cover, *maps)


@cache
def damaged() -> Path:
    """A clip of which a tenth in the middle is noise."""
    whole = clip(seconds=6, gop=250, suffix="mkv")
    size = whole.stat().st_size
    noise = bytes((i * 73 + i // 7) % 256 for i in range(size // 10))
    return changed("damaged.mkv", whole, (size // 2, noise))


@cache
def another_color() -> Path:
    """Red, then a green that is as light."""
    green = "drawbox=w=iw:h=ih:color=0x008200:t=fill:enable='gte(n,50)'"
    return make("colors.mp4", *color("red", 25, 4), "-vf", green, *H264)


@cache
def scratched() -> Path:
    """A clip with some bytes here and there gone wrong: a decoder patches the pictures up."""
    whole = clip(seconds=6, gop=250)
    size = whole.stat().st_size
    return changed("scratched.mp4", whole, *((size // 5 + i * size // 60, b"\x5a") for i in range(30)))


@cache
def joined(suffix: str) -> Path:
    """Two clips one after the other, the second of which starts its clock anew: four seconds of blue, then red."""
    parts = [
        make(f"{shade}.{suffix}", *color(shade, 25, 4), *_X264, "-g", "25", "-bf", "3").read_bytes()
        for shade in ("blue", "red")
    ]
    header = parts[1].index(b"\x12\x00\x00") if suffix == "flv" else 0
    return written(f"joined.{suffix}", parts[0] + parts[1][header:])


@cache
def growing() -> Path:
    """Four seconds of blue at 160×90, then four of white at 320×180, in one track."""
    for shade, size in (("blue", "160x90"), ("white", "320x180")):
        make(f"{size}.ts", *color(shade, 25, 4, size), *_X264, "-g", "25", "-bf", "3")
    both = written("both.txt", b"file 160x90.ts\nfile 320x180.ts\n")
    return make("growing.ts", "-f", "concat", "-safe", "0", "-i", both, "-c", "copy")


@cache
def truncated() -> Path:
    """The first half of a clip whose index comes first."""
    whole = make("faststart.mp4", "-i", clip(seconds=6), "-c", "copy", "-movflags", "+faststart")
    path("truncated.mp4").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    return path("truncated.mp4")


def written(name: str, content: bytes) -> Path:
    """A file that ffmpeg had no part in."""
    path(name).write_bytes(content)
    return path(name)
