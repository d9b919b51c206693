import resource

# Connections, the database's, and whatever else is open.
FILES = 8_192


def allow_files() -> None:
    """What a shell or a service manager allows by default is used up by a thousand connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
