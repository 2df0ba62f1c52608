//! Why one walk through a bundle directory ended early, and whether another may go better.

use rustix::fs::FileType;
use rustix::io::Errno;

use crate::loader::error::{SourceError, SpecialKind};

/// Why a walk ended early.
#[derive(Debug)]
pub(super) enum Fault {
    /// The tree changed during the walk, so that another walk may go well.
    Again(SourceError),
    /// The tree holds what no bundle may hold.
    Final(SourceError),
}

impl Fault {
    /// The fault that an error of the operating system on `path` is.
    pub(super) fn of(path: &str, cause: Errno) -> Self {
        let error = SourceError::Unreadable {
            path: path.to_owned(),
            cause,
        };
        match cause {
            // What was named, or had another type, a moment ago.
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO | Errno::STALE => {
                Self::Again(error)
            }
            Errno::INTR | Errno::AGAIN => Self::Again(error),
            _ => Self::Final(error),
        }
    }

    /// What to report when there is no other walk.
    pub(super) fn into_error(self) -> SourceError {
        match self {
            Self::Again(error) | Self::Final(error) => error,
        }
    }
}

/// The refusal of an entry that is no file, directory or link.
pub(super) fn special(shown: &str, file_type: FileType) -> Fault {
    let kind = match file_type {
        FileType::Fifo => SpecialKind::Fifo,
        FileType::Socket => SpecialKind::Socket,
        FileType::CharacterDevice | FileType::BlockDevice => SpecialKind::Device,
        _ => SpecialKind::Other,
    };
    Fault::Final(SourceError::Special {
        path: shown.to_owned(),
        kind,
    })
}
