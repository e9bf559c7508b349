/* Verify, camera.live and sound.live: forged bundles filmed by the real recorder, whose camera is a file: a picture that stands still, a loop, an honest still scene with the noise
 * of a sensor, in steady and in slowly changing light, and a sign of life that the picture doesn't show. The QR codes around it are live in all of them. */
#include <string.h>
#include "forge.c"
#include "film.c"

static ForgeWorld *world;

/* What ffmpeg makes of a picture like a room's. */
#define ROOM "mandelbrot=s=320x240:r=15"
#define STILL "trim=end_frame=1,gblur=4,eq=contrast=0.7,loop=loop=-1:size=1"

typedef struct {
    const char *name, *filter, *seconds;
    CheckResult result;                 /* of camera.live */
    const char *reason;
    gboolean    never_mark;
    guint       shows;
} Scene;

static const Scene scenes[] = {
    { "honest", STILL ",noise=alls=6:allf=t", "90", CHECK_PASS, "none stands still, none comes again; the camera is large", FALSE, 30 },
    { "light", STILL ",noise=alls=3:allf=t,eq=brightness='0.04*sin(t)':eval=frame", "90", CHECK_PASS, "none stands still", FALSE, 30 },
    { "frozen", STILL, "90", CHECK_FAIL, "stands still, grain and all", FALSE, 36 },
    { "loop", STILL ",noise=alls=6:allf=t", "1", CHECK_FAIL, "a loop", FALSE, 36 },
    { "moving loop", "noise=alls=6:allf=t", "1", CHECK_FAIL, "a loop", FALSE, 36 },
    { "black", STILL ",drawbox=color=black:t=fill,noise=alls=2:allf=t", "90", CHECK_FAIL, "black or of one colour", FALSE, 36 },
    { "unmarked", STILL ",noise=alls=6:allf=t", "90", CHECK_FAIL, "doesn't show the camera large", TRUE, 0 },
};

static guint shows;

/* A new code each quarter of a second or so: each is a key unit. */
static void
go_on (Forge *f, const char *act)
{
    Film *film = f->film_data;

    if (!g_str_equal (act, "prove"))
        return;
    for (guint i = 0; i < shows; i++) {
        forge_emit (f, "note.made", "operator", json_pack ("{s:s}", "text", "The terminal goes on."));
        film->n_asked = 0;
        show_qr (f);
        g_usleep (120 * 1000);
    }
}

static char *
make_camera (const Scene *scene)
{
    g_autofree char *name = g_strdup_printf ("%s.mkv", scene->name), *source = g_strdup_printf (ROOM ",%s", scene->filter);
    char *path = g_build_filename (world->dir, name, NULL);
    const char *argv[] = { "ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", source, "-t", scene->seconds, "-c:v", "libx264", "-preset", "ultrafast",
                           "-qp", "6", "-pix_fmt", "yuv420p", path, NULL };
    int status = -1;

    if (g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, NULL) && status == 0)
        return path;
    g_free (path);
    return NULL;
}

static gboolean
told_by_recorder (const Forge *f)
{
    for (guint i = 0; i < f->events->len; i++)
        if (g_str_equal (((const Event *) f->events->pdata[i])->type, "camera.repeats"))
            return TRUE;
    return FALSE;
}

static void
test_scene (gconstpointer data)
{
    const Scene *scene = data;
    Film film = { .never_mark = scene->never_mark };
    Forge f;
    g_autofree char *path = NULL, *file = film_there () ? make_camera (scene) : NULL, *camera = file ? g_strconcat ("file:", file, NULL) : NULL;
    g_autoptr(Verdict) verdict = NULL;
    VerifyOptions options = { .trust = world->trust, .modules_path = world->modules };

    if (!camera) {
        g_test_skip ("ceremony-media isn't built, or there is no ffmpeg");
        return;
    }
    forge_init (&f, world);
    f.film = &film_ops;
    f.film_data = &film;
    film.camera = camera;
    shows = scene->shows;
    f.on_step = go_on;
    f.policy = "drops_per_mille: 1000\ncamera_still_ms: 4000";
    path = forge_bundle (&f);
    verdict = verify_bundle (path, &options);
    g_test_message ("%s: %s", scene->name, outcome (verdict, "camera.live")->reason);
    g_assert_cmpint (outcome (verdict, "camera.live")->result, ==, scene->result);
    g_assert_nonnull (strstr (outcome (verdict, "camera.live")->reason, scene->reason));
    if (scene->result == CHECK_PASS)
        g_assert_false (told_by_recorder (&f));
    if (g_str_equal (scene->name, "loop"))
        g_assert_true (told_by_recorder (&f));
    forge_clear (&f);
}

/* The second camera is judged like the first, in its own pane. */
static void
test_second (void)
{
    g_autofree char *honest = film_there () ? make_camera (&scenes[0]) : NULL, *still = honest ? make_camera (&scenes[2]) : NULL;
    g_autofree char *first = g_strconcat ("file:", honest, NULL), *second = g_strconcat ("file:", still, NULL), *path = NULL;
    Film film = { .camera = first, .second = second };
    Forge f;
    g_autoptr(Verdict) verdict = NULL;
    VerifyOptions options = { .trust = world->trust, .modules_path = world->modules };

    if (!still) {
        g_test_skip ("ceremony-media isn't built, or there is no ffmpeg");
        return;
    }
    forge_init (&f, world);
    f.film = &film_ops;
    f.film_data = &film;
    shows = 36;
    f.on_step = go_on;
    f.policy = "drops_per_mille: 1000\ncamera_still_ms: 4000";
    path = forge_bundle (&f);
    verdict = verify_bundle (path, &options);
    g_test_message ("%s", outcome (verdict, "camera.live")->reason);
    g_assert_cmpint (outcome (verdict, "camera.live")->result, ==, CHECK_FAIL);
    g_assert_nonnull (strstr (outcome (verdict, "camera.live")->reason, "part 1, camera 2, from"));
    g_assert_null (strstr (outcome (verdict, "camera.live")->reason, "part 1, from"));
    forge_clear (&f);
}

typedef struct { const char *name, *audio, *policy; CheckResult result; const char *reason; } Hearing;

static const Hearing hearings[] = {
    { "heard", "test", "", CHECK_PASS, "heard something" },
    { "silent", "no-such-microphone", "", CHECK_WARN, "silence itself" },
    { "silent, required", "no-such-microphone", "\naudio_required: true", CHECK_FAIL, "silence itself" },
    { "none", NULL, "", CHECK_SKIPPED, "without sound" },
};

static void
test_sound (gconstpointer data)
{
    const Hearing *hearing = data;
    Film film = { .audio = hearing->audio };
    Forge f;
    g_autofree char *path = NULL, *policy = g_strconcat ("drops_per_mille: 1000", hearing->policy, NULL);
    g_autoptr(Verdict) verdict = NULL;
    VerifyOptions options = { .trust = world->trust, .modules_path = world->modules };

    if (!film_there ()) {
        g_test_skip ("ceremony-media isn't built");
        return;
    }
    forge_init (&f, world);
    f.film = &film_ops;
    f.film_data = &film;
    shows = hearing->audio ? 6 : 0;
    f.on_step = go_on;
    f.policy = policy;
    path = forge_bundle (&f);
    verdict = verify_bundle (path, &options);
    g_test_message ("%s", outcome (verdict, "sound.live")->reason);
    g_assert_cmpint (outcome (verdict, "sound.live")->result, ==, hearing->result);
    g_assert_nonnull (strstr (outcome (verdict, "sound.live")->reason, hearing->reason));
    forge_clear (&f);
}

int
main (int argc, char **argv)
{
    int status;

    world = film_init (&argc, &argv);
    for (gsize i = 0; i < G_N_ELEMENTS (scenes); i++) {
        g_autofree char *path = g_strdup_printf ("/camera/%s", scenes[i].name);
        g_test_add_data_func (path, &scenes[i], test_scene);
    }
    g_test_add_func ("/camera/second", test_second);
    for (gsize i = 0; i < G_N_ELEMENTS (hearings); i++) {
        g_autofree char *path = g_strdup_printf ("/sound/%s", hearings[i].name);
        g_test_add_data_func (path, &hearings[i], test_sound);
    }
    status = g_test_run ();
    forge_world_free (world);
    return status;
}
