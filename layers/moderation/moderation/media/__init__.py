"""From a hostile file to pictures and sound: stdlib and ffmpeg only, since it runs where numpy does not fit."""
