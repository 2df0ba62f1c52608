//! A file that starts anew when it is large, with some of its predecessors beside it.

use rustix::fs::OFlags;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// `log`, with `log.1` the one before it and higher numbers before that.
#[derive(Debug)]
pub(super) struct RotatedFile {
    path: PathBuf,
    largest: u64,
    kept: u32,
    size: u64,
    file: BufWriter<File>,
}

impl RotatedFile {
    /// Opens a file, or goes on with it. It is rotated before it has more than `largest` bytes, and
    /// `kept` predecessors stay. What is no ordinary file, such as a pipe, is never rotated.
    pub(super) fn open(path: &Path, largest: u64, kept: u32) -> io::Result<Self> {
        let file = open(path)?;
        let metadata = file.metadata()?;
        Ok(Self {
            path: path.to_owned(),
            largest: if metadata.is_file() {
                largest
            } else {
                u64::MAX
            },
            kept,
            size: metadata.len(),
            file: BufWriter::new(file),
        })
    }

    /// Writes one line whole into one file.
    pub(super) fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let length = line.len() as u64 + 1;
        if self.size > 0 && self.size.saturating_add(length) > self.largest {
            self.file.flush()?;
            if let Err(error) = self.rotate() {
                tracing::warn!(%error, path = %self.path.display(), "the decision log cannot be rotated, and goes on in the same file");
            }
            // Where it failed it is tried again when as much has been written once more.
            self.size = 0;
        }
        self.file.write_all(line)?;
        self.file.write_all(b"\n")?;
        self.size += length;
        Ok(())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// The old file is written to until there is a new one.
    fn rotate(&mut self) -> io::Result<()> {
        for number in (0..self.kept).rev() {
            match fs::rename(self.numbered(number), self.numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.kept == 0 {
            fs::remove_file(&self.path)?;
        }
        self.file = BufWriter::new(open(&self.path)?);
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        if number == 0 {
            return self.path.clone();
        }
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

/// Who was denied what is not for everybody on the machine to read. A pipe that nobody has open is an
/// error at once.
fn open(path: &Path) -> io::Result<File> {
    let nonblocking = OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o640)
        .custom_flags(nonblocking.bits().cast_signed())
        .open(path)?;
    let flags = rustix::fs::fcntl_getfl(&file)?;
    rustix::fs::fcntl_setfl(&file, flags - nonblocking)?;
    Ok(file)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the files")]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_and_the_oldest_files_go() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut file = RotatedFile::open(&path, 20, 2).unwrap();
        for number in 0..8 {
            file.write_line(format!("line {number}").as_bytes())
                .unwrap();
        }
        file.flush().unwrap();
        let read = |name: &str| fs::read_to_string(directory.path().join(name));
        assert_eq!(read("log").unwrap(), "line 6\nline 7\n");
        assert_eq!(read("log.1").unwrap(), "line 4\nline 5\n");
        assert_eq!(read("log.2").unwrap(), "line 2\nline 3\n");
        assert!(read("log.3").is_err());
        // One that is there already is gone on with.
        let mut again = RotatedFile::open(&path, 1_000, 2).unwrap();
        again.write_line(b"more").unwrap();
        again.flush().unwrap();
        assert_eq!(read("log").unwrap(), "line 6\nline 7\nmore\n");
    }

    #[test]
    fn what_cannot_be_rotated_is_gone_on_with() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        // A directory stands where the predecessor would.
        fs::create_dir(directory.path().join("log.1")).unwrap();
        fs::write(directory.path().join("log.1/x"), "x").unwrap();
        let mut file = RotatedFile::open(&path, 10, 1).unwrap();
        for number in 0..5 {
            file.write_line(format!("line {number}").as_bytes())
                .unwrap();
        }
        file.flush().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 5);
        // Nobody reads this pipe, and nobody waits for that.
        let pipe = directory.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0).unwrap();
        assert!(RotatedFile::open(&pipe, 10, 1).is_err());
    }
}
