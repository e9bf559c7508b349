/* The bar of live facts. */
#pragma once
#include "ui/screen.h"
#include "ui/widgets.h"

typedef struct { char *text; Style style; } Fact;

void draw_facts (Screen *self, Rect area);
