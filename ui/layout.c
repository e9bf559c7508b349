/* The run screen at any size from 80x24 to 300x100: title bar, steps | panel, rule, facts, keys. */
#include "ui/layout.h"
#include "ui/ui.h"

#define ROOMY_ROWS 30
#define ONE_LINE_FACTS 150              /* columns from which the facts need one line only */
#define PANEL_MAX 110                   /* longer lines are hard to read aloud */

static Layout frame (guint cols, guint rows)
{
    Layout self = { .too_small = cols < UI_MIN_COLS || rows < UI_MIN_ROWS, .roomy = rows >= ROOMY_ROWS };
    int w = (int) cols, h = (int) rows;
    self.title = (Rect) { 0, 0, 1, w };
    self.keys = (Rect) { h - 1, 0, 1, w };
    return self;
}

Layout layout_run (guint cols, guint rows)
{
    Layout self = frame (cols, rows);
    int w = (int) cols, facts = cols >= ONE_LINE_FACTS ? 1 : 2;
    int top = self.roomy ? 2 : 1, steps = CLAMP (w * 27 / 100, 20, 44);
    self.facts = (Rect) { self.keys.y - facts, 1, facts, w - 2 };
    self.rule = self.facts.y - 1;
    self.steps = (Rect) { top, 1, self.rule - top - (self.roomy ? 1 : 0), steps };
    self.divider = steps + 2;
    self.panel = (Rect) { top, self.divider + 2, self.steps.h, MIN (w - self.divider - 3, PANEL_MAX) };
    return self;
}

Layout layout_page (guint cols, guint rows)
{
    Layout self = frame (cols, rows);
    int top = self.roomy ? 2 : 1;
    self.rule = self.keys.y - 1;
    self.panel = (Rect) { top, 2, self.rule - top, (int) cols - 4 };
    return self;
}

static int serve (int left, Share *share, int up_to)
{
    int more = CLAMP (up_to - share->got, 0, MAX (left, 0));
    share->got += more;
    return left - more;
}

void layout_share (int total, Share *shares, guint n)
{
    int left = total, last = 0;
    for (guint i = 0; i < n; i++)
    {
        shares[i].got = 0;
        last = MAX (last, shares[i].rank);
    }
    for (int pass = 0; pass < 2; pass++)
        for (int rank = 0; rank <= last; rank++)
            for (guint i = 0; i < n; i++)
                if (shares[i].rank == rank)
                    left = serve (left, &shares[i], pass ? shares[i].want : MIN (shares[i].min, shares[i].want));
}

guint layout_scroll_to (guint current, guint n, guint room)
{
    if (n <= room || room == 0)
        return 0;
    guint above = room / 3;
    return current <= above ? 0 : MIN (current - above, n - room);
}
