"""What can go wrong with a download that is not the user's mistake."""


class DownloadError(Exception):
    """A download that failed: network, server, disk or checksum.

    The message is one sentence for the user and holds no credentials. The
    command line prints it without a traceback and exits with status 1; what was
    already transferred stays for the next run.
    """


class MirrorFailed(DownloadError):
    """One address does not give the file; another one may."""
