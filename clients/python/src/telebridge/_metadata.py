"""What a run says of the process that it comes from."""

from __future__ import annotations

import os
import pathlib
import platform
import socket
import sys
from typing import Any, Dict, Optional

import numpy as np

# All of it must fit into the queue's header.
_ARGUMENTS_MAX, _ARGUMENT_LENGTH_MAX = 50, 200


def metadata_of_this_process() -> Dict[str, Any]:
    """Host, pid, command line, versions, and the commit of the repository that the script stands in."""
    metadata: Dict[str, Any] = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "argv": [argument[:_ARGUMENT_LENGTH_MAX] for argument in sys.argv[:_ARGUMENTS_MAX]],
        "cwd": os.environ.get("PWD", ""),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    commit = _git_commit(pathlib.Path(sys.argv[0] if sys.argv and sys.argv[0] else ".").resolve().parent)
    if commit is not None:
        metadata["git_commit"] = commit
    return metadata


def _git_commit(folder: pathlib.Path) -> Optional[str]:
    """The commit that is checked out, read from git's files: no process is started for it."""
    try:
        for parent in (folder, *folder.parents):
            git = parent / ".git"
            if git.is_file():  # a worktree
                git = parent / git.read_text().split("gitdir:", 1)[1].strip()
            if not git.is_dir():
                continue
            head = (git / "HEAD").read_text().strip()
            if not head.startswith("ref: "):
                return head
            common = git / "commondir"
            shared = git / common.read_text().strip() if common.exists() else git
            reference = shared / head[5:]
            if reference.exists():
                return reference.read_text().strip()
            for line in (shared / "packed-refs").read_text().splitlines():
                if line.endswith(f" {head[5:]}"):
                    return line.split(" ", 1)[0]
            return None
    except (OSError, IndexError, ValueError):
        pass
    return None
