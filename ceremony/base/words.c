/* The PGP word list (Juola and Zimmermann, 1995): a byte is a word of two syllables at an even offset, of three at an odd one. So a word that
 * was dropped, doubled or swapped while people read aloud has the wrong parity and is told. */
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include <string.h>

#define WORD_MAX 11
#define TEXT_MAX 4096

static const char *const even_words[256] = {
    "aardvark", "absurd", "accrue", "acme", "adrift", "adult", "afflict", "ahead", "aimless", "Algol", "allow", "alone", "ammo", "ancient", "apple",
    "artist", "assume", "Athens", "atlas", "Aztec", "baboon", "backfield", "backward", "banjo", "beaming", "bedlamp", "beehive", "beeswax",
    "befriend", "Belfast", "berserk", "billiard", "bison", "blackjack", "blockade", "blowtorch", "bluebird", "bombast", "bookshelf", "brackish",
    "breadline", "breakup", "brickyard", "briefcase", "Burbank", "button", "buzzard", "cement", "chairlift", "chatter", "checkup", "chisel",
    "choking", "chopper", "Christmas", "clamshell", "classic", "classroom", "cleanup", "clockwork", "cobra", "commence", "concert", "cowbell",
    "crackdown", "cranky", "crowfoot", "crucial", "crumpled", "crusade", "cubic", "dashboard", "deadbolt", "deckhand", "dogsled", "dragnet",
    "drainage", "dreadful", "drifter", "dropper", "drumbeat", "drunken", "Dupont", "dwelling", "eating", "edict", "egghead", "eightball", "endorse",
    "endow", "enlist", "erase", "escape", "exceed", "eyeglass", "eyetooth", "facial", "fallout", "flagpole", "flatfoot", "flytrap", "fracture",
    "framework", "freedom", "frighten", "gazelle", "Geiger", "glitter", "glucose", "goggles", "goldfish", "gremlin", "guidance", "hamlet",
    "highchair", "hockey", "indoors", "indulge", "inverse", "involve", "island", "jawbone", "keyboard", "kickoff", "kiwi", "klaxon", "locale",
    "lockup", "merit", "minnow", "miser", "Mohawk", "mural", "music", "necklace", "Neptune", "newborn", "nightbird", "Oakland", "obtuse", "offload",
    "optic", "orca", "payday", "peachy", "pheasant", "physique", "playhouse", "Pluto", "preclude", "prefer", "preshrunk", "printer", "prowler",
    "pupil", "puppy", "python", "quadrant", "quiver", "quota", "ragtime", "ratchet", "rebirth", "reform", "regain", "reindeer", "rematch", "repay",
    "retouch", "revenge", "reward", "rhythm", "ribcage", "ringbolt", "robust", "rocker", "ruffled", "sailboat", "sawdust", "scallion", "scenic",
    "scorecard", "Scotland", "seabird", "select", "sentence", "shadow", "shamrock", "showgirl", "skullcap", "skydive", "slingshot", "slowdown",
    "snapline", "snapshot", "snowcap", "snowslide", "solo", "southward", "soybean", "spaniel", "spearhead", "spellbind", "spheroid", "spigot",
    "spindle", "spyglass", "stagehand", "stagnate", "stairway", "standard", "stapler", "steamship", "sterling", "stockman", "stopwatch", "stormy",
    "sugar", "surmount", "suspense", "sweatband", "swelter", "tactics", "talon", "tapeworm", "tempest", "tiger", "tissue", "tonic", "topmost",
    "tracker", "transit", "trauma", "treadmill", "Trojan", "trouble", "tumor", "tunnel", "tycoon", "uncut", "unearth", "unwind", "uproot", "upset",
    "upshot", "vapor", "village", "virus", "Vulcan", "waffle", "wallet", "watchword", "wayside", "willow", "woodlark", "Zulu",
};
static const char *const odd_words[256] = {
    "adroitness", "adviser", "aftermath", "aggregate", "alkali", "almighty", "amulet", "amusement", "antenna", "applicant", "Apollo", "armistice",
    "article", "asteroid", "Atlantic", "atmosphere", "autopsy", "Babylon", "backwater", "barbecue", "belowground", "bifocals", "bodyguard",
    "bookseller", "borderline", "bottomless", "Bradbury", "bravado", "Brazilian", "breakaway", "Burlington", "businessman", "butterfat", "Camelot",
    "candidate", "cannonball", "Capricorn", "caravan", "caretaker", "celebrate", "cellulose", "certify", "chambermaid", "Cherokee", "Chicago",
    "clergyman", "coherence", "combustion", "commando", "company", "component", "concurrent", "confidence", "conformist", "congregate", "consensus",
    "consulting", "corporate", "corrosion", "councilman", "crossover", "crucifix", "cumbersome", "customer", "Dakota", "decadence", "December",
    "decimal", "designing", "detector", "detergent", "determine", "dictator", "dinosaur", "direction", "disable", "disbelief", "disruptive",
    "distortion", "document", "embezzle", "enchanting", "enrollment", "enterprise", "equation", "equipment", "escapade", "Eskimo", "everyday",
    "examine", "existence", "exodus", "fascinate", "filament", "finicky", "forever", "fortitude", "frequency", "gadgetry", "Galveston", "getaway",
    "glossary", "gossamer", "graduate", "gravity", "guitarist", "hamburger", "Hamilton", "handiwork", "hazardous", "headwaters", "hemisphere",
    "hesitate", "hideaway", "holiness", "hurricane", "hydraulic", "impartial", "impetus", "inception", "indigo", "inertia", "infancy", "inferno",
    "informant", "insincere", "insurgent", "integrate", "intention", "inventive", "Istanbul", "Jamaica", "Jupiter", "leprosy", "letterhead",
    "liberty", "maritime", "matchmaker", "maverick", "Medusa", "megaton", "microscope", "microwave", "midsummer", "millionaire", "miracle",
    "misnomer", "molasses", "molecule", "Montana", "monument", "mosquito", "narrative", "nebula", "newsletter", "Norwegian", "October", "Ohio",
    "onlooker", "opulent", "Orlando", "outfielder", "Pacific", "pandemic", "Pandora", "paperweight", "paragon", "paragraph", "paramount", "passenger",
    "pedigree", "Pegasus", "penetrate", "perceptive", "performance", "pharmacy", "phonetic", "photograph", "pioneer", "pocketful", "politeness",
    "positive", "potato", "processor", "provincial", "proximate", "puberty", "publisher", "pyramid", "quantity", "racketeer", "rebellion", "recipe",
    "recover", "repellent", "replica", "reproduce", "resistor", "responsive", "retraction", "retrieval", "retrospect", "revenue", "revival",
    "revolver", "sandalwood", "sardonic", "Saturday", "savagery", "scavenger", "sensation", "sociable", "souvenir", "specialist", "speculate",
    "stethoscope", "stupendous", "supportive", "surrender", "suspicious", "sympathy", "tambourine", "telephone", "therapist", "tobacco", "tolerance",
    "tomorrow", "torpedo", "tradition", "travesty", "trombonist", "truncated", "typewriter", "ultimate", "undaunted", "underfoot", "unicorn", "unify",
    "universe", "unravel", "upcoming", "vacancy", "vagabond", "vertigo", "Virginia", "visitor", "vocalist", "voyager", "warranty", "Waterloo",
    "whimsical", "Wichita", "Wilmington", "Wyoming", "yesteryear", "Yucatan",
};

char *
pgp_words (const void *data, gsize len)
{
    const guint8 *bytes = data;
    GString *out = g_string_new (NULL);
    for (gsize i = 0; i < len; i++) {
        if (i > 0)
            g_string_append_c (out, ' ');
        g_string_append (out, i % 2 == 0 ? even_words[bytes[i]] : odd_words[bytes[i]]);
    }
    return g_string_free (out, FALSE);
}

static int
find_word (const char *const list[256], const char *word)
{
    for (int i = 0; i < 256; i++)
        if (g_ascii_strcasecmp (list[i], word) == 0)
            return i;
    return -1;
}

static gboolean
is_separator (char c)
{
    return g_ascii_isspace (c) || c == '-' || c == ',';
}

/* A word as a message may show it: what isn't a plain ASCII word is not echoed, since it may hold control characters. */
static const char *
shown (const char *word)
{
    for (const char *p = word; *p != '\0'; p++)
        if (!g_ascii_isalnum (*p))
            return "(unreadable)";
    return word;
}

static gboolean
add_word (GByteArray *out, const char *word, GError **error)
{
    gboolean even = out->len % 2 == 0;
    int value = find_word (even ? even_words : odd_words, word);
    if (value >= 0) {
        guint8 byte = (guint8) value;
        g_byte_array_append (out, &byte, 1);
        return TRUE;
    }
    guint place = out->len + 1;
    if (find_word (even ? odd_words : even_words, word) >= 0)
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT,
                     "word %u, %s: is of the other list, so a word before it was dropped, doubled or swapped; read all of them again", place, word);
    else
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "word %u, %s: isn't in the word list; check its spelling", place, shown (word));
    return FALSE;
}

GBytes *
pgp_words_decode (const char *text, GError **error)
{
    g_autoptr (GByteArray) out = g_byte_array_new ();
    if (strnlen (text, TEXT_MAX + 1) > TEXT_MAX) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "words: more than %d characters", TEXT_MAX);
        return NULL;
    }
    for (const char *p = text; *p != '\0';) {
        while (is_separator (*p))
            p++;
        gsize n = 0;
        while (p[n] != '\0' && !is_separator (p[n]))
            n++;
        if (n == 0)
            break;
        char word[WORD_MAX + 2];
        g_strlcpy (word, p, MIN (n, WORD_MAX + 1) + 1);
        if (!add_word (out, word, error))
            return NULL;
        p += n;
    }
    return g_byte_array_free_to_bytes (g_steal_pointer (&out));
}
