/* The jobs of ceremony-media: each takes its own arguments (argv[0] is the job's name) and gives the exit status: 0 done, 1 failed, 2 usage.
 * main.c has the table; GStreamer is initialised by the job that needs it. */
#pragma once

int job_cameras (int argc, char **argv);   /* lists the cameras of this machine: a line {"device":"/dev/video0","name":…} each */
int job_record (int argc, char **argv);    /* records, as media/protocol.h says; descriptor 3 is the socket */
int job_scan (int argc, char **argv);      /* reads QR codes off the video on descriptor 4, sandboxed: media/protocol.h */
int job_look (int argc, char **argv);      /* compares what the camera's pane shows at each key unit, sandboxed: media/protocol.h */
int job_hear (int argc, char **argv);      /* the sound of a stretch of our own recording, sandboxed: media/protocol.h */
int job_share (int argc, char **argv);     /* shows the recorder's picture to a call: media/share.h */
int job_preview (int argc, char **argv);   /* what a camera sees, in characters on standard output or in a window */
int job_thumbnail (int argc, char **argv); /* pictures of given moments of the video on descriptor 4, sandboxed */
int job_remux (int argc, char **argv);     /* the recording on descriptor 4 as MP4 with its index in front to standard output, sandboxed: media/protocol.h */
int job_screen (int argc, char **argv);    /* reads QR codes off an X display until it is stopped: media/protocol.h */
