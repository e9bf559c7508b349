/* Full-screen text, with its QR code beside it where that fits; and a question that has a QR code. */
#include "ui/screen.h"
#include "ui/qr.h"
#include "ui/text.h"
#include "ui/widgets.h"

#define TEXT_MAX 100

static void draw_text_of_page (Screen *self, Rect area, gboolean qr_shown)
{
    const Ask *ask = self->ask;
    g_autofree char *qr = ask->qr ? qr_in_words (self, qr_shown) : NULL;
    g_autofree char *text = qr && *qr ? g_strconcat (ask->detail, *ask->detail ? "\n\n" : "", qr, NULL) : g_strdup (ask->detail);
    g_autoptr (GPtrArray) lines = text_wrap (text, (guint) area.w);
    self->aloud = (Scroll) { self->aloud.first, 0, 0 };
    self->detail.n = lines->len;
    self->detail.room = (guint) area.h;
    self->detail.first = MIN (self->detail.first, self->detail.n > self->detail.room ? self->detail.n - self->detail.room : 0);
    draw_lines (area, lines, self->detail.first, STYLE_NORMAL);
}

void draw_page (Screen *self)
{
    Layout layout = layout_page (self->cols, self->rows);
    Rect qr, area = layout.panel;
    QrPlan plan;
    int width;
    gboolean beside = qr_beside (self, &qr, &width) && qr_plan (self->ask->qr, (guint) qr.w, (guint) qr.h, &plan);
    area.w = beside ? width : MIN (area.w, TEXT_MAX);
    draw_title (self, layout.title);
    if (beside)
        qr_draw (self->ask->qr, &plan, qr.y, qr.x);
    if (!self->ask->page)
    {
        draw_panel (self, area, TRUE);
        draw_keys (self, layout.keys);
        return;
    }
    int head = layout.roomy ? 2 : 1;
    draw_heading (area.y, area.x, beside ? area.w : (int) self->cols - 4, self->ask->title);
    draw_text_of_page (self, (Rect) { area.y + head, area.x, area.h - head, area.w }, beside);
    draw_rule (layout.rule, area.x, beside ? area.w : (int) self->cols - 4, -1);
    draw_more (layout.rule, beside ? area.x + area.w - 1 : (int) self->cols - 3, self->detail.first, self->detail.n, self->detail.room);
    draw_keys (self, layout.keys);      /* what Enter does depends on how much of the text was shown */
}
