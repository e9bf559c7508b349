/* The camera's picture in the size that its pane wants. */
#pragma once
#include "media/compose.h"
#include "media/source.h"

typedef struct Camera Camera;

/* @camera: "test", "file:/abs", "device:/dev/video0", "none"; anything else is BASE_ERROR_USAGE. @changed as for a source; never for "none". */
Camera     *camera_new (const char *camera, Compose *compose, SourceChanged changed, gpointer user, GError **error);
void        camera_free (Camera *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Camera, camera_free)

const char *camera_kind (const Camera *self);   /* "test", "file", "device", "none" */
const char *camera_name (const Camera *self);   /* path, or the kind again */
void        camera_tick (Camera *self);         /* the newest picture into the pane; follows the pane's size */
