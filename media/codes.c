/* zbar does the reading; what is here saves it work. Where codes were before is looked at first, in rising order of effort until one is read: every few lines, all lines,
 * enlarged. The whole picture is looked at where one of them isn't there any more, and now and then for others: at moments that the video's time alone decides, so that
 * another machine with more decoders sees the same. */
#include "media/codes.h"
#include <stdlib.h>
#include <string.h>
#include <zbar.h>

#define GRID 24                 /* points a side of what a place is compared by */
#define CHANGED 6               /* mean difference of luma at these points */
#define WHOLE_MS 2000           /* FOLLOW: for so long … */
#define WHOLE_EVERY_MS 64000    /* … of each such time */
#define PLACES_MAX 4
#define FINDS_MAX 16            /* of a picture */
#define FORGET 8                /* CHANGES: misses after which a place is given up */
#define COARSE 110              /* pixels of a place for which each line is looked at first; of twice as many, each second one */
#define LOOK_MS 200             /* CHANGES: not more often */
#define AGAIN_MS 4000           /* … but so often even where nothing changed */
#define SEARCH_MS 700           /* … a search of the whole picture */
#define AROUND_MS 2000          /* … and so often also where each code is where it was: another one may have come up beside it */
#define ENLARGE_MAX (1300 * 1300)       /* pixels of a picture that is enlarged as a whole */

typedef struct {
    Box      box;
    guint8   seen[GRID * GRID]; /* when a code was last read there */
    gboolean missed;
    guint    misses;            /* in a row */
} Place;

typedef struct { char *text; gsize len; Box box; } Found;

struct Codes {
    CodesMode mode;
    Box       region;           /* the only one; width 0: none */
    CodesFunc func;
    gpointer  user_data;
    zbar_image_scanner_t *scanner;
    int       density;
    Place     places[PLACES_MAX];
    guint     n_places;
    Found     found[FINDS_MAX]; /* in the picture at hand */
    guint     n_found;
    guint     width, height;    /* of the picture that the places are of */
    guint8    seen[GRID * GRID];        /* the whole picture, when it was searched in vain */
    gboolean  has_seen;
    gint64    looked_ms, read_ms, searched_ms;
    guint64   searches;
    guint8   *buffer;
    gsize     buffer_size;
};

Codes *
codes_new (CodesMode mode, Box region, CodesFunc func, gpointer user_data)
{
    Codes *self = g_new0 (Codes, 1);
    self->mode = mode;
    self->region = region;
    self->func = func;
    self->user_data = user_data;
    self->looked_ms = self->read_ms = self->searched_ms = G_MININT64 / 2;
    self->scanner = zbar_image_scanner_create ();
    zbar_image_scanner_set_config (self->scanner, ZBAR_NONE, ZBAR_CFG_ENABLE, 0);
    zbar_image_scanner_set_config (self->scanner, ZBAR_QRCODE, ZBAR_CFG_ENABLE, 1);
    self->density = 1;
    return self;
}

void
codes_free (Codes *self)
{
    if (self == NULL)
        return;
    zbar_image_scanner_destroy (self->scanner);
    g_free (self->buffer);
    g_free (self);
}

static void
set_density (Codes *self, int density)
{
    density = CLAMP (density, 1, 4);
    if (density == self->density)
        return;
    zbar_image_scanner_set_config (self->scanner, 0, ZBAR_CFG_X_DENSITY, density);
    zbar_image_scanner_set_config (self->scanner, 0, ZBAR_CFG_Y_DENSITY, density);
    self->density = density;
}

static guint8 *
room (Codes *self, gsize size)
{
    if (size > self->buffer_size) {
        g_free (self->buffer);
        self->buffer = g_malloc (size);
        self->buffer_size = size;
    }
    return self->buffer;
}

/* The part of @p that is looked at, without padding, as zbar wants it; borrowed where it is so already. */
static const guint8 *
cut (Codes *self, const GreyPicture *p, Box box)
{
    if (box.width == (int) p->width && p->stride == p->width)
        return p->luma + (gsize) box.y * p->stride;
    guint8 *luma = room (self, (gsize) box.width * box.height);
    for (int y = 0; y < box.height; y++)
        memcpy (luma + (gsize) y * box.width, p->luma + (gsize) (box.y + y) * p->stride + box.x, box.width);
    return luma;
}

/* The same at twice its size, each new pixel between its neighbours: modules of two pixels get edges that zbar can place. */
static const guint8 *
enlarge (Codes *self, const GreyPicture *p, Box box)
{
    guint8 *luma = room (self, (gsize) box.width * box.height * 4);
    for (int y = 0; y < box.height * 2; y++) {
        const guint8 *a = p->luma + (gsize) (box.y + y / 2) * p->stride + box.x;
        const guint8 *b = y % 2 && y / 2 + 1 < box.height ? a + p->stride : a;
        guint8 *to = luma + (gsize) y * box.width * 2;
        for (int x = 0; x < box.width; x++) {
            int next = x + 1 < box.width ? x + 1 : x;
            to[2 * x] = (guint8) ((a[x] + b[x] + 1) / 2);
            to[2 * x + 1] = (guint8) ((a[x] + b[x] + a[next] + b[next] + 2) / 4);
        }
    }
    return luma;
}

static Box
box_of (const zbar_symbol_t *symbol)
{
    int x0 = G_MAXINT, y0 = G_MAXINT, x1 = 0, y1 = 0;
    for (unsigned i = 0; i < zbar_symbol_get_loc_size (symbol); i++) {
        x0 = MIN (x0, zbar_symbol_get_loc_x (symbol, i));
        y0 = MIN (y0, zbar_symbol_get_loc_y (symbol, i));
        x1 = MAX (x1, zbar_symbol_get_loc_x (symbol, i));
        y1 = MAX (y1, zbar_symbol_get_loc_y (symbol, i));
    }
    return (Box) { x0 == G_MAXINT ? 0 : x0, y0 == G_MAXINT ? 0 : y0, MAX (x1 - x0, 0), MAX (y1 - y0, 0) };
}

/* The code with its quiet zone, and, where it may move, room for that. */
static Box
place_around (const Codes *self, Box code, const GreyPicture *p)
{
    int side = MAX (code.width, code.height), edge = self->mode == CODES_CHANGES ? side / 5 + 8 : side / 16 + 4;
    int x0 = MAX (code.x - edge, 0), y0 = MAX (code.y - edge, 0);
    int x1 = MIN (code.x + code.width + edge, (int) p->width), y1 = MIN (code.y + code.height + edge, (int) p->height);
    return (Box) { x0, y0, x1 - x0, y1 - y0 };
}

/* One code may be read in two ways in the same picture. */
static void
add_found (Codes *self, const char *text, gsize len, Box box)
{
    int x = box.x + box.width / 2, y = box.y + box.height / 2;
    for (guint i = 0; i < self->n_found; i++) {
        const Found *f = &self->found[i];
        gboolean inside = x >= f->box.x && y >= f->box.y && x <= f->box.x + f->box.width && y <= f->box.y + f->box.height;
        if (inside && f->len == len && memcmp (f->text, text, len) == 0)
            return;
    }
    if (self->n_found < FINDS_MAX)
        self->found[self->n_found++] = (Found) { g_memdup2 (text, len), len, box };
}

/* Reads what is in @box; TRUE: a code. */
static gboolean
read_box (Codes *self, const GreyPicture *p, Box box, int density, gboolean twice)
{
    int scale = twice ? 2 : 1;
    gboolean any = FALSE;
    set_density (self, density);
    zbar_image_t *image = zbar_image_create ();
    zbar_image_set_format (image, zbar_fourcc ('Y', '8', '0', '0'));
    zbar_image_set_size (image, box.width * scale, box.height * scale);
    zbar_image_set_data (image, twice ? enlarge (self, p, box) : cut (self, p, box), (gsize) box.width * box.height * scale * scale, NULL);
    if (zbar_scan_image (self->scanner, image) > 0)
        for (const zbar_symbol_t *symbol = zbar_image_first_symbol (image); symbol != NULL; symbol = zbar_symbol_next (symbol)) {
            if (zbar_symbol_get_type (symbol) != ZBAR_QRCODE)
                continue;
            Box at = box_of (symbol);
            at = (Box) { at.x / scale + box.x, at.y / scale + box.y, at.width / scale, at.height / scale };
            add_found (self, zbar_symbol_get_data (symbol), zbar_symbol_get_data_length (symbol), at);
            any = TRUE;
        }
    zbar_image_destroy (image);
    return any;
}

static void
sample (const GreyPicture *p, Box box, guint8 *grid)
{
    for (int y = 0; y < GRID; y++)
        for (int x = 0; x < GRID; x++)
            grid[y * GRID + x] = p->luma[(gsize) (box.y + (2 * y + 1) * box.height / (2 * GRID)) * p->stride + box.x + (2 * x + 1) * box.width / (2 * GRID)];
}

static gboolean
has_changed (const GreyPicture *p, Box box, const guint8 *seen)
{
    guint8 grid[GRID * GRID];
    guint sum = 0;
    sample (p, box, grid);
    for (guint i = 0; i < GRID * GRID; i++)
        sum += abs (grid[i] - seen[i]);
    return sum > CHANGED * GRID * GRID;
}

/* Looks at each place. FALSE: there is none, or not each has its code any more. */
static gboolean
read_places (Codes *self, const GreyPicture *p, gboolean twice)
{
    gboolean all = self->n_places > 0;
    for (guint i = 0; i < self->n_places; i++) {
        Place *place = &self->places[i];
        int coarse = MIN (place->box.width, place->box.height) / COARSE;
        place->missed = !((coarse > 1 && read_box (self, p, place->box, coarse, FALSE)) || read_box (self, p, place->box, 1, FALSE) ||
                          (twice && read_box (self, p, place->box, 1, TRUE)));
        place->misses = place->missed ? place->misses + 1 : 0;
        all = all && !place->missed;
    }
    return all;
}

static Box
whole (const GreyPicture *p)
{
    return (Box) { 0, 0, (int) p->width, (int) p->height };
}

static void
read_whole (Codes *self, const GreyPicture *p, gboolean twice)
{
    guint before = self->n_found;
    read_box (self, p, whole (p), 1, FALSE);
    if (self->n_found == before && twice && p->width * p->height <= ENLARGE_MAX)
        read_box (self, p, whole (p), 1, TRUE);
}

/* Follows what was found, and for a while the places where codes were: a change of picture takes some frames to become sharp. */
static void
follow (Codes *self, const GreyPicture *p)
{
    Place next[PLACES_MAX];
    guint n = 0;
    for (guint i = 0; i < self->n_found && n < PLACES_MAX; i++) {
        next[n] = (Place) { .box = place_around (self, self->found[i].box, p) };
        sample (p, next[n].box, next[n].seen);
        n++;
    }
    for (guint i = 0; self->mode == CODES_CHANGES && i < self->n_places && n < PLACES_MAX; i++)
        if (self->places[i].missed && self->places[i].misses < FORGET)
            next[n++] = self->places[i];
    memcpy (self->places, next, n * sizeof *next);
    self->n_places = n;
}

/* Hands on what was found. TRUE: there was something. */
static gboolean
tell (Codes *self, gint64 ms)
{
    guint n = self->n_found;
    for (guint i = 0; i < n; i++) {
        self->func (ms, self->found[i].text, self->found[i].len, self->found[i].box, self->user_data);
        g_free (self->found[i].text);
    }
    self->n_found = 0;
    return n > 0;
}

static gboolean
anything_new (Codes *self, const GreyPicture *p)
{
    gboolean changed = self->n_places == 0 && (!self->has_seen || has_changed (p, whole (p), self->seen));
    for (guint i = 0; i < self->n_places; i++)
        changed = changed || self->places[i].missed || has_changed (p, self->places[i].box, self->places[i].seen);
    return changed;
}

static void
look_for_changes (Codes *self, const GreyPicture *p)
{
    gint64 ms = p->media_ms;
    if (ms < self->looked_ms)       /* times began anew */
        self->looked_ms = self->read_ms = self->searched_ms = G_MININT64 / 2;
    if (ms - self->looked_ms < LOOK_MS || (ms - self->read_ms < AGAIN_MS && !anything_new (self, p)))
        return;
    self->looked_ms = ms;
    gboolean all = read_places (self, p, TRUE);
    guint missed = 0;
    for (guint i = 0; i < self->n_places; i++)
        missed += self->places[i].misses >= 2;
    if (!all && ms - self->searched_ms >= SEARCH_MS && (missed > 0 || self->n_places == 0)) {
        self->searched_ms = ms;
        read_whole (self, p, self->searches++ % 2 == 0);
    } else if (ms - self->searched_ms >= AROUND_MS) {
        self->searched_ms = ms;
        read_whole (self, p, FALSE);
    }
    follow (self, p);
    if (tell (self, ms))
        self->read_ms = ms;
    else if (self->n_places == 0) {
        sample (p, whole (p), self->seen);
        self->has_seen = TRUE;
        self->read_ms = ms;
    }
}

static void
look_at_each (Codes *self, const GreyPicture *p)
{
    gboolean search = self->mode == CODES_WHOLE || (p->media_ms >= 0 && p->media_ms % WHOLE_EVERY_MS < WHOLE_MS);
    if (search || !read_places (self, p, FALSE))
        read_whole (self, p, FALSE);
    follow (self, p);
    tell (self, p->media_ms);
}

void
codes_look (Codes *self, const GreyPicture *p)
{
    if (self->region.width > 0) {
        Box box = self->region;
        if (box.x < (int) p->width && box.y < (int) p->height) {
            box.width = MIN (box.width, (int) p->width - box.x);
            box.height = MIN (box.height, (int) p->height - box.y);
            read_box (self, p, box, 1, FALSE);
            tell (self, p->media_ms);
        }
        return;
    }
    if (p->width != self->width || p->height != self->height) {
        self->n_places = 0;
        self->has_seen = FALSE;
        self->width = p->width;
        self->height = p->height;
    }
    if (p->width < GRID || p->height < GRID)
        return;
    if (self->mode == CODES_CHANGES)
        look_for_changes (self, p);
    else
        look_at_each (self, p);
}
