"""Files that are looked at, each with a QR code where a careless scanner does not look."""

import struct
import zipfile
from functools import cache
from io import BytesIO
from pathlib import Path

from moderation.coverage import Gap
from moderation.models.plan import Evasion
from tests import clips
from tests import media_samples as samples
from tests.hostile import boxes
from tests.hostile.refusals import language, tagged
from tests.hostile.table import looked_at
from tests.media_samples import make, path, written

_SIZE = "320x240"
_X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


def coded(
    name: str, when: str, *encode: str, seconds: float = 2, fps: float = 25, size: str = _SIZE, enlarged: int = 1
) -> Path:
    """Moving pictures with a QR code in those frames that the expression over n names."""
    code = f"[1:v]scale=iw*{enlarged}:-1:flags=neighbor[c];[0:v][c]overlay=60:40:enable='{when}'[v]"
    moving = samples.moving(fps, seconds, size)
    picture = clips.code_picture()
    return make(name, *moving, "-i", picture, "-filter_complex", code, "-map", "[v]", *(encode or _X264))


@cache
def shown() -> Path:
    """Not hidden: a code through all of a clip in MP4."""
    return coded("shown.mp4", "1")


@cache
def plain() -> Path:
    """Two seconds in which there is no code."""
    return coded("plain.mp4", "0")


def _renamed(source: Path, name: str) -> Path:
    return written(name, source.read_bytes())


NAMES = {
    "extension": ("picture.jpg", "the extension of a picture"),
    "option": ("-vf.mp4", "an option of ffmpeg"),
    "protocol": ("http:evil.mp4", "a protocol"),
    "list": ("concat:a|b.mp4", "a list of files"),
    "pattern": ("a%03d.mp4", "a pattern"),
    "line_break": ("x'\n  Stream #0:7: Video: h264 (encv , 1x1\n.mp4", "a line break and the description of a track"),
    "shell": ("x'y\"z;$(w).mp4", "quotes and a command"),
    "beyond_ascii": ("100% é.mp4", "a percent sign and a letter beyond ASCII"),
}
for _case, (_name, _what) in NAMES.items():
    looked_at(f"a video whose name is or holds {_what}", name=f"name_{_case}")(
        lambda name=_name: _renamed(shown(), name)  # type: ignore[misc]
    )


@looked_at("an MP4 with a ZIP archive behind it")
def mp4_and_zip() -> Path:
    file = BytesIO(shown().read_bytes())
    with zipfile.ZipFile(file, "a") as zipped:
        zipped.writestr("evil.sh", "true")
    return written("zip.mp4", file.getvalue())


@looked_at("an MP4 whose first box is a page of HTML")
def mp4_and_html() -> Path:
    # Fragments find their pictures wherever they are moved.
    return written("html.mp4", boxes.box(b"skip", b"<html><script>alert(1)</script><!--") + fragmented().read_bytes())


@looked_at("a GIF that is a script as well", gaps={Gap.FRAMES_NOT_LOOKED_AT})
def gif_and_script() -> Path:
    gif = coded("script.gif", "gte(n,40)", "-f", "gif").read_bytes()
    return written("gif-js.mp4", gif[:-1] + b"!\xfe\x0d*/=1;alert(1)\x00;")


@looked_at("two MP4 files in one: players show the first, and what comes behind is never played")
def mp4_in_mp4() -> Path:
    return written("nested.mp4", shown().read_bytes() + boxes.box(b"mdat", plain().read_bytes()))


@looked_at("a Matroska that carries a whole MP4 as an attachment")
def matroska_with_attachment() -> Path:
    attach = ("-attach", plain(), "-metadata:s:t:0", "mimetype=video/mp4")
    return make("attachment.mkv", "-i", shown(), *attach, "-c", "copy")


@looked_at("one frame in 1,000 seconds, the code in the last of three")
def slow_frames() -> Path:
    return coded("slow.mp4", "eq(n,2)", *_X264, fps=0.001, seconds=3000)


@looked_at("100,000 frames a second, the code in one of them")
def fast_frames() -> Path:
    return coded("fast.mp4", "eq(n,57)", *_X264, fps=100_000, seconds=0.001)


@looked_at("pictures that grow on the way")
def growing() -> Path:
    small = make("small.ts", *samples.moving(25, 2, "160x120"), *_X264)
    return written(
        "growing.mp4",
        small.read_bytes() + coded("large.ts", "gte(n,25)", "-output_ts_offset", "2", *_X264).read_bytes(),
    )


@looked_at(
    "pictures that grow beyond all bounds on the way",
    hides=False,
    gaps={Gap.FRAMES_NOT_LOOKED_AT},
)
def growing_to_a_bomb() -> Path:
    small = make("small.ts", *samples.moving(25, 2, "160x120"), *_X264)
    large = samples.color("gray", 1, 1, "8192x8192")
    bomb = make("large-bomb.ts", *large, "-output_ts_offset", "2", *_X264, "-threads", "1")
    return written("growing-bomb.mp4", small.read_bytes() + bomb.read_bytes())


@looked_at("times that all are zero", evasions={Evasion.FALSE_TIMES, Evasion.FALSE_DURATION})
def zero_times() -> Path:
    return make("zero.mkv", "-i", shown(), "-c", "copy", "-bsf:v", "setts=ts=0")


@looked_at("times far below zero")
def negative_times() -> Path:
    before = ["-output_ts_offset", "-5", "-avoid_negative_ts", "disabled", "-use_editlist", "0"]
    return coded("negative.mov", "gte(n,40)", *_X264, *before)


@looked_at(
    "the clock starts anew, as of two files one after the other",
    evasions={Evasion.FALSE_TIMES, Evasion.FALSE_DURATION},
)
def clock_starts_anew() -> Path:
    first = make("first.ts", *samples.moving(25, 2, _SIZE), *_X264)
    return written("anew.mp4", first.read_bytes() + coded("second.ts", "gte(n,40)", *_X264).read_bytes())


@looked_at("64 MB in one tag")
def gigantic_tag() -> Path:
    return tagged_and_shown("gigantic.mp4", b"x" * 2**26)


def tagged_and_shown(name: str, value: bytes) -> Path:
    """A tag in the box for what users say."""
    udta = boxes.box(b"udta", boxes.box(b"\xa9nam", struct.pack(">HH", len(value) & 0xFFFF, 0) + value))
    return written(name, boxes.added(shown().read_bytes(), "moov", udta))


@looked_at("500 tags")
def several_tags() -> Path:
    return tagged("several.mp4", ((b"key-%d" % n, b"x") for n in range(500)), shown())


@looked_at("32 MB of ID3 before a song whose cover has the code")
def gigantic_id3() -> Path:
    size = 2**25
    packed = bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return written("id3.mp3", b"ID3\x04\x00\x00" + packed + bytes(size) + song_with_cover().read_bytes())


@looked_at("a fragmented MP4")
def fragmented() -> Path:
    flags = ["-movflags", "frag_keyframe+empty_moov+default_base_moof"]
    return make("fragments.mp4", "-i", coded("last.mp4", "gte(n,48)"), "-c", "copy", *flags)


@looked_at("an animated GIF named .mp4")
def gif() -> Path:
    return coded("moving.gif", "eq(n,40)", "-f", "gif").rename(path("gif.mp4"))


@looked_at("an animated PNG named .mp4")
def apng() -> Path:
    return coded("moving.apng", "eq(n,40)", "-f", "apng").rename(path("apng.mp4"))


@looked_at("an animated WebP named .mp4")
def webp() -> Path:
    return coded("moving.webp", "eq(n,40)", "-c:v", "libwebp_anim", "-f", "webp").rename(path("webp.mp4"))


@looked_at("Motion JPEG in AVI")
def mjpeg() -> Path:
    return coded("motion.avi", "eq(n,40)", "-c:v", "mjpeg")


@looked_at("a raw stream of H.264")
def raw_h264() -> Path:
    return coded("stream.h264", "eq(n,40)", *_X264)


@looked_at("a raw stream of HEVC")
def raw_hevc() -> Path:
    return coded("stream.hevc", "eq(n,40)", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=0")


@looked_at("a raw stream of AV1")
def raw_av1() -> Path:
    encode = ("-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-f", "obu")
    return coded("stream.obu", "eq(n,7)", *encode, seconds=0.4)


@looked_at("uncompressed pictures in YUV4MPEG")
def raw_y4m() -> Path:
    return coded("stream.y4m", "eq(n,20)", "-pix_fmt", "yuv420p", seconds=1)


@looked_at("a song whose cover has the code")
def song_with_cover() -> Path:
    cover = ("-i", clips.code_picture(), "-map", "0:a", "-map", "1:v", "-disposition:v", "attached_pic")
    return make("song.mp3", *samples.tone(2), *cover, "-c:v", "copy", "-c:a", "libmp3lame")


@looked_at("a video whose cover has the code")
def video_with_cover() -> Path:
    cover = ("-i", clips.code_picture(), "-map", "0", "-map", "1", "-disposition:v:1", "attached_pic")
    return make("covered.mp4", "-i", plain(), *cover, "-c", "copy")


@looked_at("sound alone, where pictures are asked about", hides=False, gaps={Gap.NOTHING_LOOKED_AT})
def sound_alone() -> Path:
    return samples.sound_only()


@looked_at("a second track of sound", hides=False, evasions={Evasion.SECOND_AUDIO_TRACK})
def second_sound() -> Path:
    maps = ("-map", "0:v", "-map", "1:a", "-map", "2:a")
    return make("sounds.mp4", "-i", plain(), *samples.tone(2), *samples.tone(2, 880), *maps, "-c:v", "copy")


@looked_at("a second track of pictures, larger than the first", evasions={Evasion.SECOND_VIDEO_TRACK})
def second_pictures() -> Path:
    two = ("-i", samples.clip(seconds=2), "-i", shown(), "-map", "0:v", "-map", "1:v", "-c", "copy")
    return make("second.mp4", *two)


@looked_at("a second track of pictures that is switched off", evasions={Evasion.SECOND_VIDEO_TRACK})
def switched_off() -> Path:
    data = second_pictures().read_bytes()
    at = boxes.find(data, "moov/trak/tkhd", 1)[0] + 8
    return written("off.mp4", data[: at + 3] + b"\0" + data[at + 4 :])


@looked_at("a second programme of a broadcast", evasions={Evasion.SECOND_VIDEO_TRACK})
def second_programme() -> Path:
    two = ("-i", plain(), "-i", shown(), "-map", "0:v", "-map", "1:v", "-c", "copy")
    return make("programmes.ts", *two, "-program", "program_num=1:st=0", "-program", "program_num=2:st=1")


@looked_at(
    "a track of pictures that says it is pictures of chapters",
    evasions={Evasion.SECOND_VIDEO_TRACK, Evasion.FALSE_TIMES},
)
def chapter_pictures() -> Path:
    reference = boxes.box(b"tref", boxes.box(b"chap", struct.pack(">I", 2)))
    return written("chapters.mp4", boxes.added(second_pictures().read_bytes(), "moov/trak", reference))


@looked_at("a track whose language says that it is no video", evasions={Evasion.SECOND_VIDEO_TRACK})
def misleading_language() -> Path:
    return language("x): Data: none (h", shown())


@looked_at("an edit list that hides the second half", evasions={Evasion.HIDDEN_BY_EDIT_LIST})
def hidden_end() -> Path:
    data = coded("halves.mp4", "gte(n,30)").read_bytes()
    return written("hidden-end.mp4", boxes.written(data, "moov/trak/edts/elst", 8, struct.pack(">I", 1000)))


@looked_at("an edit list that hides the beginning", evasions={Evasion.HIDDEN_BY_EDIT_LIST})
def hidden_beginning() -> Path:
    return make("hidden-beginning.mp4", "-ss", "1", "-i", coded("begins.mp4", "lt(n,15)"), "-c", "copy")


@looked_at("a crop in the container that shows a corner only")
def cropped() -> Path:
    window = struct.pack(">IIIIiIiI", 32, 1, 32, 1, -144, 1, -104, 1)
    clap = boxes.box(b"clap", window)
    return written("cropped.mp4", boxes.added(shown().read_bytes(), "moov/trak/mdia/minf/stbl/stsd/avc1", clap))


@looked_at("a header that says one millisecond", evasions={Evasion.FALSE_DURATION})
def false_duration() -> Path:
    data = coded("honest.mp4", "eq(n,40)", *_X264, "-use_editlist", "0").read_bytes()
    one = struct.pack(">I", 1)
    data = boxes.written(data, "moov/mvhd", 16, one)
    data = boxes.written(data, "moov/trak/tkhd", 20, one)
    return written("brief.mp4", boxes.written(data, "moov/trak/mdia/mdhd", 16, one))


@looked_at("a file cut in half", evasions={Evasion.FALSE_DURATION}, gaps={Gap.FRAMES_NOT_LOOKED_AT})
def truncated() -> Path:
    whole = make("whole.mp4", "-i", coded("sooner.mp4", "lt(n,5)", seconds=4), "-c", "copy", "-movflags", "+faststart")
    return written("truncated.mp4", whole.read_bytes()[: whole.stat().st_size // 2])


@looked_at("one frame of 250")
def flash() -> Path:
    return coded("flash.mp4", "eq(n,133)", *_X264, "-g", "250", seconds=10)


@looked_at("the last tenth of a second")
def last_moment() -> Path:
    return coded("end.mp4", "gte(n,248)", *_X264, "-g", "250", seconds=10)


@looked_at("the code twelve times a second", gaps={Gap.SCENE_CHANGES_CAPPED})
def strobe() -> Path:
    return coded("strobe.mp4", "mod(n,2)", *_X264, seconds=12)


def _turned(name: str, *turn: str) -> Path:
    return make(name, *turn, "-i", shown(), "-c", "copy")


@looked_at("a video stored lying on its side")
def rotated() -> Path:
    return _turned("rotated.mp4", "-display_rotation", "90")


@looked_at("a video stored mirrored")
def mirrored() -> Path:
    return _turned("mirrored.mp4", "-display_hflip")


@looked_at("a video stored upside down and mirrored")
def mirrored_and_turned() -> Path:
    return _turned("both.mp4", "-display_rotation", "90", "-display_vflip")


@looked_at("a tenth of the file is noise", hides=False, gaps={Gap.FRAMES_UNDECODED, Gap.FRAMES_NOT_LOOKED_AT})
def damaged() -> Path:
    return samples.damaged()


@looked_at(
    "bytes gone wrong here and there, so that the decoder makes pictures up", hides=False, gaps={Gap.FRAMES_DAMAGED}
)
def scratched() -> Path:
    return samples.scratched()


@looked_at("pictures of a high dynamic range")
def high_dynamic_range() -> Path:
    tags = "log-level=0:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
    return coded("pq.mp4", "eq(n,7)", "-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", tags, seconds=0.4)


@looked_at("a sparse file of 10 GB with a video at its beginning")
def sparse_video() -> Path:
    target = _renamed(fragmented(), "sparse-video.mp4")
    with target.open("r+b") as file:
        file.seek(0, 2)
        file.write(struct.pack(">I4sQ", 1, b"free", 10 * 10**9 - file.tell()))
        file.truncate(10 * 10**9)
    return target


@looked_at("the most pixels that are taken")
def largest() -> Path:
    return coded("largest.mp4", "eq(n,1)", *_X264, "-threads", "1", size="8192x4320", seconds=1, fps=2, enlarged=20)
