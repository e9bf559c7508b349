/* A clip: a stretch of a ceremony's video cut at chunks, so that every byte of it is one whose hash the journal holds, with the proofs that lead from there to the
 * final checkpoint. A strict, plain ZIP (the container's form, without manifest and signature): whoever knows the checkpoint needs nothing else of the bundle.
 * docs/formats.md says what is in it; verify/clip.c judges it. */
#pragma once
#include "ceremony/bundle/moments.h"
#include "ceremony/journal/merkle.h"

#define CLIP_MIMETYPE "application/vnd.ceremony.clip+zip"
#define CLIP_FORMAT "ceremony/clip/v1"

typedef struct { gint64 part, from_ms, to_ms; } ClipRange;      /* to_ms -1: to the part's end */
typedef struct {                                                /* what was cut, for telling people */
    gint64 part, from_ms, to_ms;                                /* as chunks allow: at most what was asked, and up to two seconds more on each side */
    guint  chunks;
    char   path[40];                                            /* of the video in the clip */
} ClipPiece;

/* Writes @path (never over an existing file): the stretches in which @step was done (one a part that it touches), or @range where @step is NULL. Gives the pieces
 * (ClipPiece, g_array_unref). The bundle needn't be verified: the proofs are made from what it holds, and a clip of a forged bundle doesn't verify. A video that is
 * cut off or damaged gives its whole chunks. BASE_ERROR_USAGE (no such step, part or time), BASE_ERROR_MISSING (no video there), BASE_ERROR_FORMAT. */
GArray *clip_write (const Asice *bundle, const char *step, const ClipRange *range, const char *path, GError **error);
