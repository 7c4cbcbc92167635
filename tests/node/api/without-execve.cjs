// For a Node that can replace itself: takes that from it.
process.execve = undefined;
