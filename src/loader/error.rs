//! Why a bundle directory is not read.

use rustix::io::Errno;

/// Why the files of a bundle are refused as a whole: for the operator, while
/// [`label`](Self::label) is for the metrics.
///
/// Paths are relative to the bundle directory, save where the directory itself is meant. The last
/// good bundle stays in force whichever of these is returned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The operating system refused to open, list or read something.
    #[error("cannot read `{path}`")]
    Unreadable {
        /// What was to be read.
        path: String,
        /// What the operating system said.
        #[source]
        cause: Errno,
    },
    /// The bundle is one file, where a directory is wanted (K2.8).
    #[error(
        "`{path}` is a single file, and a file mounted by itself (`subPath`) never changes while \
         the pod runs: mount the whole volume, and name its directory"
    )]
    SingleFile {
        /// The path that was given for the bundle.
        path: String,
    },
    /// Something other than a directory stands where one has to be.
    #[error("`{path}` is not a directory")]
    NotADirectory {
        /// What should have been a directory.
        path: String,
    },
    /// The directory changed during each of the reads (K2.14).
    #[error("`{path}` did not settle: it changed during each of {reads} reads")]
    Unsettled {
        /// The bundle directory.
        path: String,
        /// How often it was read.
        reads: usize,
    },
    /// A FIFO, socket or device stands in the bundle.
    #[error("`{path}` is a {kind}, and a bundle holds regular files and directories only")]
    Special {
        /// The entry.
        path: String,
        /// What it is.
        kind: SpecialKind,
    },
    /// A symbolic link points to something outside the bundle.
    #[error("symbolic link `{path}` leaves the bundle by way of `{target}`")]
    Escapes {
        /// The link's place in the bundle.
        path: String,
        /// What the link that leaves says, which may be a later link of a chain.
        target: String,
    },
    /// A symbolic link leads through too many others, most likely in a circle.
    #[error("symbolic link `{path}` leads through more than {limit} links")]
    TooManyLinks {
        /// The link's place in the bundle.
        path: String,
        /// The most links that are followed for one entry.
        limit: usize,
    },
    /// A file name is not UTF-8, or holds a control character.
    #[error("file name `{path}` is not printable UTF-8")]
    Name {
        /// The path with what cannot be printed escaped or replaced.
        path: String,
    },
    /// One file is larger than is accepted.
    #[error("`{path}` is larger than {limit_bytes} bytes")]
    FileTooLarge {
        /// The file.
        path: String,
        /// The largest that is accepted.
        limit_bytes: u64,
    },
    /// All files together are larger than is accepted.
    #[error("the bundle is larger than {limit_bytes} bytes")]
    BundleTooLarge {
        /// The largest that is accepted.
        limit_bytes: u64,
    },
    /// The bundle has more files and directories than are accepted.
    #[error("the bundle has more than {limit} files and directories")]
    TooManyFiles {
        /// The most that are accepted.
        limit: usize,
    },
    /// Directories are nested more deeply than is accepted.
    #[error("`{path}` is nested more than {limit} directories deep")]
    TooDeep {
        /// The first directory that is too deep.
        path: String,
        /// The most levels below the bundle directory.
        limit: usize,
    },
    /// The root has a `manifest.json` that has `files`, but is no manifest (K2.11).
    #[error(
        "`manifest.json`, line {line}, column {column}: a manifest is \
         {{\"files\": {{\"path\": \"SHA-256 in 64 hex digits\"}}}} and nothing else"
    )]
    ManifestShape {
        /// The line of the fault, from 1.
        line: usize,
        /// The column of the fault, from 1.
        column: usize,
    },
    /// A file has another content than the manifest says (K2.11).
    #[error("`{path}` has another content than `manifest.json` says")]
    ManifestMismatch {
        /// The file.
        path: String,
    },
    /// A file that the manifest names is not there (K2.11).
    #[error("`{path}` is named in `manifest.json`, but is not in the bundle")]
    ManifestMissing {
        /// The file.
        path: String,
    },
    /// A file is there that the manifest does not name (K2.11).
    #[error("`{path}` is in the bundle, but is not named in `manifest.json`")]
    ManifestUnlisted {
        /// The file.
        path: String,
    },
}

impl SourceError {
    /// The metric label of this error: one of a closed set, and never derived from input.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "unreadable",
            Self::SingleFile { .. } => "single_file",
            Self::NotADirectory { .. } => "not_a_directory",
            Self::Unsettled { .. } => "unsettled",
            Self::Special { .. } => "special_file",
            Self::Escapes { .. } => "link_escapes",
            Self::TooManyLinks { .. } => "too_many_links",
            Self::Name { .. } => "name",
            Self::FileTooLarge { .. } => "file_too_large",
            Self::BundleTooLarge { .. } => "bundle_too_large",
            Self::TooManyFiles { .. } => "too_many_files",
            Self::TooDeep { .. } => "too_deep",
            Self::ManifestShape { .. }
            | Self::ManifestMismatch { .. }
            | Self::ManifestMissing { .. }
            | Self::ManifestUnlisted { .. } => "manifest",
        }
    }
}

/// What a bundle entry is that is neither a regular file nor a directory nor a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecialKind {
    /// A named pipe.
    Fifo,
    /// A Unix socket.
    Socket,
    /// A character or block device.
    Device,
    /// Something that this system has and the others have not.
    Other,
}

impl std::fmt::Display for SpecialKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Fifo => "named pipe",
            Self::Socket => "socket",
            Self::Device => "device",
            Self::Other => "special file",
        })
    }
}
