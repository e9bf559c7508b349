/* What a person looks at beside the verdict: a viewing copy of the video that a browser plays and seeks, and pictures of each step. Both are made of unverified bytes and
 * prove nothing: every page says so. Video is read in ceremony-media's sandbox only. */
#pragma once
#include "ceremony/bundle/moments.h"

/* Into the folder @dir, which is there and empty: part-N.mp4 (each part, copied without re-encoding, with an index), part-N.chapters.vtt (steps) and part-N.events.vtt (what
 * happened, as subtitles), and index.html, which plays them at each step. A part that can't be read is left out and told in @notes (char *, added to). FALSE: nothing could
 * be made (BASE_ERROR_MISSING: no video or no ceremony-media). */
gboolean viewing_write (const Asice *bundle, const char *dir, GPtrArray *notes, GError **error);

/* Into @dir: NN-STEP-begin.png and NN-STEP-hold.png, @width pixels wide, NN the step's place in the script; pictures.json lists them:
 * {"format":"ceremony/pictures/v1","ceremony","pictures":[{"file","step","title","n","moment":"begin|hold","part","ms","seq","sha256"}]}. Likewise. @count gets how many. */
gboolean pictures_write (const Asice *bundle, const char *dir, guint width, guint *count, GPtrArray *notes, GError **error);
