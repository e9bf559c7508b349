/* What the viewing copy and the pictures share. */
#pragma once
#include "ceremony/report/viewing.h"
#include "ceremony/script/script.h"

/* The bundle's script, NULL where it can't be read; and a step's title by it, the id where it has none. */
Script     *script_of_bundle (const Asice *bundle);
const char *step_title (const Script *script, const char *id);
