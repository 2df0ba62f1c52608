//! A file that starts anew when it is large, with some of its predecessors beside it.

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
    /// `kept` predecessors stay.
    pub(super) fn open(path: &Path, largest: u64, kept: u32) -> io::Result<Self> {
        let file = open(path)?;
        Ok(Self {
            path: path.to_owned(),
            largest,
            kept,
            size: file.metadata()?.len(),
            file: BufWriter::new(file),
        })
    }

    /// Writes one line whole into one file.
    pub(super) fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let length = line.len() as u64 + 1;
        if self.size > 0 && self.size + length > self.largest {
            self.rotate()?;
        }
        self.file.write_all(line)?;
        self.file.write_all(b"\n")?;
        self.size += length;
        Ok(())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file.flush()?;
        for number in (0..self.kept).rev() {
            let from = self.numbered(number);
            match fs::rename(&from, self.numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.kept == 0 {
            fs::remove_file(&self.path)?;
        }
        self.file = BufWriter::new(open(&self.path)?);
        self.size = 0;
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

/// Who was denied what is not for everybody on the machine to read.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o640)
        .open(path)
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
}
