"""The only package that touches the world: sockets, clocks, tasks, processes, pages, the command line."""
