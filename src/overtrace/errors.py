"""Errors that the user can put right: one line says what came, what was wanted, what to do."""


class OvertraceError(Exception):
    """Something the user can put right; the command line prints it on one line and exits with 1."""


class BadImage(OvertraceError):
    """An image that cannot be opened or read, or that lacks what the model asks for."""


class BadModel(OvertraceError):
    """A file that is not an overtrace model file, or one that this machine cannot run."""


class BadOutput(OvertraceError):
    """An output that cannot be written: unknown extension, missing folder, full disk."""


class BadOption(OvertraceError):
    """An option whose value makes no sense here, or that needs a package that is not installed."""


class BadCluster(OvertraceError):
    """A cluster that cannot be reached, or whose workers cannot do the work."""


class BadManifest(OvertraceError):
    """A scratch folder that belongs to another image, model or set of parameters."""


class BadAnswer(OvertraceError):
    """An answer or a truth that does not follow the rules of its challenge."""


class BadDownload(OvertraceError):
    """A file from elsewhere that does not arrive, or is not the one that was asked for."""


class BadData(OvertraceError):
    """Labelled imagery that is not as its format says: a file missing, unreadable, or not fitting its partner."""


class BadContest(OvertraceError):
    """A contest file that is not in order."""


class Refused(OvertraceError):
    """What the rules of a contest do not allow: a closed phase, a spent limit, a locked team."""


class NotAllowed(OvertraceError):
    """What someone else may do, but not this person or token."""


class NotFound(OvertraceError):
    """Something that is not there, or that is not shown."""


class Unavailable(OvertraceError):
    """What a host cannot do just now, such as reach its store; the same again may work later."""
