/* `ceremony-media cameras`: which cameras there are, as GStreamer's device providers see them. None is no error: a test picture or a file
 * may take the camera's place. */
#include "media/jobs.h"
#include "media/lines.h"
#include "ceremony/base/cjson.h"
#include <gst/gst.h>
#include <stdio.h>

/* The path that v4l2src takes, from the properties that the provider gives (their name differs between versions). */
static const char *
device_path (const GstStructure *properties)
{
    static const char *const names[] = { "api.v4l2.path", "device.path" };
    for (gsize i = 0; properties && i < G_N_ELEMENTS (names); i++) {
        const char *path = gst_structure_get_string (properties, names[i]);
        if (path)
            return path;
    }
    return NULL;
}

static void
print_camera (GstDevice *device)
{
    g_autoptr (GstStructure) properties = gst_device_get_properties (device);
    const char *path = device_path (properties);
    if (!path)
        return;
    g_autofree char *name = gst_device_get_display_name (device);
    print_line (json_pack ("{s:s,s:o}", "device", path, "name", cjson_bytes (name, strlen (name))));
}

int
job_cameras (int argc, char **argv)
{
    gst_init (NULL, NULL);
    g_autoptr (GstDeviceMonitor) monitor = gst_device_monitor_new ();
    gst_device_monitor_add_filter (monitor, "Video/Source", NULL);
    if (!gst_device_monitor_start (monitor))
        return 0;
    GList *devices = gst_device_monitor_get_devices (monitor);
    for (GList *l = devices; l; l = l->next)
        print_camera (l->data);
    g_list_free_full (devices, gst_object_unref);
    gst_device_monitor_stop (monitor);
    return 0;
}
