/* Folders below an open one. */
#ifndef LAUNCHER_TREE_H
#define LAUNCHER_TREE_H

/* Makes the folders above `path` in the folder behind fd, with mode 0700. */
int tree_make_parents(int fd, const char *path);

/* Has the names in the folder of `path`, and in those above it, reach the disk. */
int tree_sync_parents(int fd, const char *path);

/* Removes the folder `name` in the folder behind fd with all that is in it; links are not followed. Errors are ignored:
 * whoever removes later finds the rest. */
void tree_remove(int fd, const char *name);

#endif
