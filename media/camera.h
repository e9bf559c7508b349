/* The cameras' pictures in the size that their panes want. */
#pragma once
#include "media/compose.h"
#include "media/source.h"
#include "media/repeats.h"

typedef struct Cameras Cameras;

typedef struct {
    /* Camera @camera (from 0) gives nothing any more, for @reason, or does again. */
    void (*changed) (guint camera, gboolean lost, const char *reason, gpointer user);
    /* Its pictures repeat, or do no longer: @news isn't REPEATS_NEWS_NONE; @since_ms as the tick's time, @period_ms of a loop. */
    void (*repeats) (guint camera, RepeatsNews news, gint64 since_ms, gint64 period_ms, gpointer user);
} CameraCalls;

/* @names, NULL-terminated, 1 to CAMERAS_MAX: "test", "file:/abs", "device:/dev/video0", "none"; anything else is BASE_ERROR_USAGE. They stand in @compose's panes
 * in this order. @calls is copied. */
Cameras    *cameras_new (const char *const *names, Compose *compose, const CameraCalls *calls, gpointer user, GError **error);
void        cameras_free (Cameras *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cameras, cameras_free)

guint       cameras_count (const Cameras *self);
const char *cameras_kind (const Cameras *self, guint camera);   /* "test", "file", "device", "none" */
const char *cameras_name (const Cameras *self, guint camera);   /* path, or the kind again */
void        cameras_tick (Cameras *self, gint64 ms);            /* the newest pictures into the panes; follows the panes' size */
/* Whether @name is one that cameras_new takes. */
gboolean    cameras_check (const char *name, GError **error);
/* The pipeline that ends in `appsink name=out`, with `capsfilter name=caps`; for previews. @property and @value are for the element `src`, NULL where there is none. */
char       *cameras_describe (const char *name, const char **property, char **value, gboolean *loop, GError **error);
