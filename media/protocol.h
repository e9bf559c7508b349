/* The words between ceremony and ceremony-media. `ceremony-media record` has a SOCK_SEQPACKET socket as descriptor 3. A message is one packet of
 * at most MEDIA_PACKET_MAX bytes; its first byte tells its kind:
 *
 *   'J'  canonical JSON (an object) follows
 *   'T'  raw bytes that the operator's terminal was given follow (output only; input never comes here)
 *
 * ceremony → media
 *   {"cmd":"start","dir":"/abs/ceremony/folder","part":n,"width":1280,"height":720,"fps":15,"cols":80,"rows":24,
 *    "camera":"test"|"file:/abs"|"device:/dev/video0"|"none","more_cameras":[the same, at most 2; may be left out],"audio":"none"|"test"|"default"|name,"ceremony":id,"origin":…,
 *    "window":bool,"virtual_camera":"/dev/videoN" (both may be left out: whom the picture is shown to beside being recorded)}
 *        writes video/%04d.mkv and terminal/%04d.cast under dir; both must not exist
 *   {"cmd":"qr","text":…,"size":n}        show this checkpoint from the next frame on, which is a forced key unit and starts a chunk
 *   {"cmd":"status","step":title,"events":n,"mark_camera":bool,"rehearsal":bool}   words for the status line; while mark_camera,
 *        the camera has the large pane, framed, and the terminal the small one
 *   {"cmd":"resize","cols":n,"rows":n}
 *        A message that can't be meant (no start before, a checkpoint too long for a QR code) is refused into the log and changes nothing.
 *        Of several checkpoints that come within one frame only the last is shown, and told as shown.
 *   {"cmd":"stop"}                         end of streams, last chunks, track_closed for both, then "stopped" and exit 0
 *
 * media → ceremony
 *   {"event":"started","part":n,"video":path,"terminal":path,"width","height","fps","camera":{"kind","name"},"cameras":[{"kind","name"}],"audio":{…},"encoder":…}  paths relative to dir
 *   {"event":"chunk","track":"video"|"terminal","part":n,"offset","length","sha256","frames":{"asked","composed","encoded","dropped"},
 *    "first_ms","last_ms","clock":{"boot_ms","monotonic_ms","wall_ms"}}
 *                                          the bytes are on disk (written, and fdatasync'ed) when it is sent; frames, ms and clock: video only;
 *                                          frames counts since the chunk before; ms is media time; clock: CLOCK_BOOTTIME, CLOCK_MONOTONIC and the wall
 *                                          clock at the moment in which the frame of first_ms was composed (absent where the chunk holds no frame)
 *   {"event":"qr_shown","size":n,"part":n,"media_ms":n}    the first frame with that QR was encoded
 *   {"event":"frames_dropped","count","media_ms"}          at most one a second; at the end the sum is that of all chunks' dropped
 *   {"event":"source_lost","source":"camera"|"camera 2"|"camera 3"|"audio","reason"}, {"event":"source_returned","source"}
 *   {"event":"camera_repeats","part","camera":from 1,"kind":"frozen"|"loop","media_ms","period_ms"}, {"event":"camera_moves","part","camera","media_ms"}   not of test pictures
 *   {"event":"share_ended","to":"window"|"virtual camera","reason"}    the recording isn't touched by that
 *   {"event":"track_closed","track","part","path","length","sha256","chunks"}
 *   {"event":"fault","reason"}             recording can't go on (disk full, encoder): what was written is closed as far as possible, then "stopped"
 *   {"event":"stopped"}
 *
 * `record --as-fast-as-possible` doesn't wait for the clock: media time goes on as soon as the encoder has room, and no frame is dropped. For benches and
 * tests that want a long file soon; never for a ceremony, and verify (tracks.clock) refuses what was recorded so.
 *
 * When its end of the socket closes, media ends the streams and exits, for ceremony is dead. While it records it holds an exclusive flock on
 * dir/recorder.lock: resume waits for that. */
#pragma once
#define MEDIA_FD 3
#define MEDIA_PACKET_MAX (60 * 1024)
#define MEDIA_JSON 'J'
#define MEDIA_TERMINAL 'T'

/* `ceremony-media scan [--key-units] [--foreign | --whole | --region X,Y,W,H] [--offset N] [--length N] [--every N] [--threads N] [--timeout-ms N] [--cpu-seconds N]` reads a
 * video (or the range of one in a larger file) from descriptor 4 in the sandbox and writes one line of canonical JSON a find to standard output, in order of time:
 * {"h","ms":n,"text":…,"w","x","y"}, then {"duration_ms":n,"end":true,"frames":n,"height":n,"width":n,"without":what the sandbox lacks, or ""}. Without the end line, or with
 * another status than 0, it failed: what it printed is then not all there is.
 *   our own recordings: --key-units, for a key unit begins each code. Each code of each key unit is told: it is looked for where it was before, and in the whole picture
 *     where it isn't there any more and for two of every 64 s.
 *   foreign recordings: --foreign. All pictures that others depend on are decoded; a place is looked at again when it changed, at most five times a second, and every 4 s:
 *     so a code that stands still is told about each 4 s, a new one within a fraction of a second of its coming.
 *   --whole: the whole of each picture. --region: that part of each picture and no other.
 * `ceremony-media look [--offset N] [--length N] [--cameras N] [--timeout-ms N]` likewise compares our own recording's key units: a line for each camera and key unit,
 * {"again":n,"again_ms":n,"before":n,"camera":n,"marked":bool,"mean":n,"ms":n,"spread":n}: differences, in thousandths of a grey level, from the key unit before of the same
 * pane (before) and from the most similar one at least 2 s earlier (again, of again_ms), -1 where there is none; mean and spread of the pane's luma in tenths.
 * `ceremony-media hear [--offset N] [--length N] [--head N --skip N] [--until N] [--from-ms N] [--to-ms N] [--wav]` decodes the sound of our own recording likewise, of the
 * bytes [0, head) and [skip, until) only: {"end":true,"loud":samples above 200 of 32768,"ms":n,"peak":n,"samples":n,"wav_length":n}, then, with --wav, a mono WAV of that length.
 * `ceremony-media thumbnail --at-ms N[,N…] --width W` likewise; for each moment, ascending, a line {"ms":n,"png_length":n} and then the PNG's bytes, then the end line.
 * `ceremony-media remux` copies a recording of ours (Matroska with H.264 and Opus; the file on descriptor 4) into an MP4 with its index in front, written to
 * standard output, which must be a file. It decodes nothing.
 * `ceremony-media screen [--display NAME]` writes finds of an X display likewise, ms from its first picture, and each second a line {"duration_ms","frames","height","width"};
 * it goes on until it is stopped, or ends with status 1 where the display can't be looked at. Codes are read in a sandboxed process of its own. */
