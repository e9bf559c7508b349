/* Which shared libraries a PKCS#11 module runs with: what it needs by the dynamic loader's tables, followed to the end, and what appeared while it was
 * loaded and initialised (a module may open its real driver itself). A witness's record names the code that had the PIN, not just its first file. */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include "ceremony/token/internal.h"

static struct link_map *
first_map (void)
{
    struct link_map *map = NULL;
    void *program = dlopen (NULL, RTLD_LAZY);
    if (!program || dlinfo (program, RTLD_DI_LINKMAP, &map) != 0)
        map = NULL;
    if (program)
        dlclose (program);
    while (map && map->l_prev)
        map = map->l_prev;
    return map;
}

/* The program itself has an empty name, the kernel's vdso no path: neither is a library. */
static gboolean
is_library (const struct link_map *map)
{
    return map->l_name && map->l_name[0] == '/';
}

static char *
resolved (const char *path)
{
    char *real = realpath (path, NULL);
    char *copy = g_strdup (real ? real : path);
    free (real);
    return copy;
}

GPtrArray *
libraries_loaded (void)
{
    GPtrArray *paths = g_ptr_array_new_with_free_func (g_free);
    for (struct link_map *map = first_map (); map; map = map->l_next)
        if (is_library (map))
            g_ptr_array_add (paths, resolved (map->l_name));
    return paths;
}

/* glibc relocates DT_STRTAB in place on most machines; where it hasn't, the value is an offset. */
static const char *
string_table (const struct link_map *map)
{
    for (const ElfW(Dyn) *d = map->l_ld; d && d->d_tag != DT_NULL; d++)
        if (d->d_tag == DT_STRTAB)
            return (const char *) (d->d_un.d_ptr < map->l_addr ? d->d_un.d_ptr + map->l_addr : d->d_un.d_ptr);
    return NULL;
}

static gboolean
answers_to (const struct link_map *map, const char *needed)
{
    const char *strings = string_table (map);
    for (const ElfW(Dyn) *d = map->l_ld; strings && d->d_tag != DT_NULL; d++)
        if (d->d_tag == DT_SONAME && strcmp (strings + d->d_un.d_val, needed) == 0)
            return TRUE;
    g_autofree char *base = g_path_get_basename (map->l_name);
    return strcmp (base, needed) == 0;
}

static const struct link_map *
map_named (const struct link_map *first, const char *needed)
{
    for (const struct link_map *map = first; map; map = map->l_next)
        if (is_library (map) && answers_to (map, needed))
            return map;
    return NULL;
}

static void
follow (const struct link_map *first, const struct link_map *map, GHashTable *seen)
{
    const char *strings = string_table (map);
    for (const ElfW(Dyn) *d = map->l_ld; strings && d->d_tag != DT_NULL; d++) {
        if (d->d_tag != DT_NEEDED)
            continue;
        const struct link_map *needed = map_named (first, strings + d->d_un.d_val);
        if (needed && g_hash_table_add (seen, resolved (needed->l_name)))
            follow (first, needed, seen);
    }
}

static int
by_text (gconstpointer a, gconstpointer b)
{
    return strcmp (*(const char *const *) a, *(const char *const *) b);
}

GPtrArray *
libraries_of (const char *path, GPtrArray *before, GPtrArray *after)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    struct link_map *first = first_map ();
    for (struct link_map *map = first; map; map = map->l_next) {
        g_autofree char *real = is_library (map) ? resolved (map->l_name) : NULL;
        if (real && strcmp (real, path) == 0)
            follow (first, map, seen);
        else if (real && !g_ptr_array_find_with_equal_func (before, real, g_str_equal, NULL)
                 && g_ptr_array_find_with_equal_func (after, real, g_str_equal, NULL) && g_hash_table_add (seen, g_strdup (real)))
            follow (first, map, seen);
    }
    g_hash_table_remove (seen, path);

    GPtrArray *libraries = g_ptr_array_new_with_free_func (g_free);
    GHashTableIter iter;
    gpointer key;
    g_hash_table_iter_init (&iter, seen);
    while (g_hash_table_iter_next (&iter, &key, NULL))
        g_ptr_array_add (libraries, g_strdup (key));
    g_ptr_array_sort (libraries, by_text);
    return libraries;
}
