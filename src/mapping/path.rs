//! The path of a call in its canonical form, read once for all doors.

mod fault;

pub use fault::PathFault;

use crate::model::percent::{Unit, Units, holds_escape, is_control, is_unreserved, push_escape};
use crate::policy::PathMode;
use std::borrow::Cow;

/// The path of a call as the service behind the PEP will read it, or so the mode makes sure.
///
/// What the modes do (rules 16 and 17 of the Envoy contract):
///
/// | in the path | `strict` | `normalise` | `raw` |
/// |---|---|---|---|
/// | control byte, raw or escaped; space; non-ASCII; `\`; bad escape; escapes that are not text | refused | refused | refused |
/// | no `/` in front, `#`, too long | refused | refused | refused |
/// | `%2F` `%5C` | refused | refused | kept |
/// | `;` `*`, and the escapes `%3B` `%2A` `%3F` `%23` | refused | refused | kept |
/// | double encoding: `%25` and two hexadecimal digits | refused | refused | kept |
/// | a segment that ends in `.` or a space | refused | refused | kept |
/// | characters that no URI path may hold, such as `"` or `\|` | refused | refused | kept |
/// | `//` | refused | merged | kept |
/// | `.` and `..`, raw or escaped | refused | removed | kept |
/// | escaped letters, digits, `-` `.` `_` `~` | refused | decoded | kept |
/// | lower-case digits in an escape | written in upper case | written in upper case | kept |
///
/// So `normalise` repairs what every reader repairs in one way, and refuses the rest, too: `..`
/// above the root, and `..` in a path that holds `//` as well, for some merge before they climb and
/// some after. Lower-case digits in an escape change under normalisation, but no reader tells them
/// from upper-case ones, and stock clients send them.
///
/// `;` ends a segment for servlet containers only, and Envoy takes `..;` for `..`. `*` and `?` would
/// be wildcards in an ARN; the engine reads a request's ARN as plain text, yet a value such as `*`
/// must not pass for the `*` that a route may name as its resource. A service whose names hold such
/// characters, as object stores do, takes `raw`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path<'t> {
    canonical: Cow<'t, str>,
    segments: Vec<Segment<'t>>,
    trailing_slash: bool,
    query: Option<&'t str>,
    mode: PathMode,
}

/// One segment of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment<'t> {
    canonical: Cow<'t, str>,
    decoded: Cow<'t, str>,
}

impl<'t> Path<'t> {
    /// The most bytes of a path, the query left out.
    pub const MAX_BYTES: usize = 8 * 1024;
    /// The most segments of a path.
    pub const MAX_SEGMENTS: usize = 512;
    /// The most bytes of a query; Envoy's own limit for all headers together is 60 KiB.
    pub const MAX_QUERY_BYTES: usize = 64 * 1024;

    /// Reads the target of a request, path and query, as `mode` says (rules 16 to 18).
    ///
    /// The query is split off at the first `?` and not read: see [`Query`](super::Query).
    ///
    /// # Errors
    ///
    /// The [`PathFault`] that makes the path doubtful; see the table at [`Path`].
    pub fn read(target: &'t str, mode: PathMode) -> Result<Self, PathFault> {
        let (path, query) = split(target)?;
        let mut reader = Reader::new(mode);
        let body = path.strip_prefix('/').ok_or(PathFault::NotOriginForm)?;
        let mut pieces = body.split('/').peekable();
        while let Some(piece) = pieces.next() {
            let place = match pieces.peek() {
                Some(_) => Place::Inner,
                None => Place::Last,
            };
            reader.push(Segment::read(piece, mode)?, place)?;
        }
        reader.check()?;
        // Nothing was repaired unless there is an escape to write in upper case.
        let unchanged = match mode {
            PathMode::Strict => !path.contains('%'),
            PathMode::Normalise => false,
            PathMode::Raw => true,
        };
        let canonical = if unchanged {
            Cow::Borrowed(path)
        } else {
            Cow::Owned(reader.canonical())
        };
        Ok(Self {
            canonical,
            segments: reader.segments,
            trailing_slash: reader.trailing_slash,
            query,
            mode,
        })
    }

    /// The canonical path, which policies and logs may show; in `raw` the path as it came.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.canonical
    }

    /// The segments in order, without the empty one that a trailing slash makes.
    #[must_use]
    pub fn segments(&self) -> &[Segment<'t>] {
        &self.segments
    }

    /// Whether the path ends in `/`; true of the root.
    #[must_use]
    pub const fn has_trailing_slash(&self) -> bool {
        self.trailing_slash
    }

    /// What stands behind the first `?`, not decoded; `None` when there is none.
    #[must_use]
    pub const fn query(&self) -> Option<&'t str> {
        self.query
    }

    /// The mode by which the path was read.
    #[must_use]
    pub const fn mode(&self) -> PathMode {
        self.mode
    }

    /// The text of `segment` that routes are compared with: decoded, but in `raw` as it came.
    pub(super) fn matched<'s>(&self, segment: &'s Segment<'t>) -> &'s str {
        match self.mode {
            PathMode::Strict | PathMode::Normalise => &segment.decoded,
            PathMode::Raw => &segment.canonical,
        }
    }
}

/// Splits a target into path and query, with the checks that hold for both in every mode.
fn split(target: &str) -> Result<(&str, Option<&str>), PathFault> {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    if path.len() > Path::MAX_BYTES
        || query.is_some_and(|query| query.len() > Path::MAX_QUERY_BYTES)
    {
        return Err(PathFault::TooLong);
    }
    if path.is_empty() {
        return Err(PathFault::Empty);
    }
    for byte in target.bytes() {
        match byte {
            b'#' => return Err(PathFault::Fragment),
            b' ' => return Err(PathFault::Illegal),
            _ if is_control(byte) => return Err(PathFault::Control),
            _ if !byte.is_ascii() => return Err(PathFault::NotAscii),
            _ => {}
        }
    }
    Ok((path, query))
}

/// Where a piece between slashes stands.
#[derive(Clone, Copy)]
enum Place {
    Inner,
    Last,
}

/// The segments read so far, and the repairs made.
struct Reader<'t> {
    mode: PathMode,
    segments: Vec<Segment<'t>>,
    trailing_slash: bool,
    merged: bool,
    climbed: bool,
    count: usize,
}

impl<'t> Reader<'t> {
    fn new(mode: PathMode) -> Self {
        Self {
            mode,
            segments: Vec::with_capacity(8),
            trailing_slash: false,
            merged: false,
            climbed: false,
            count: 0,
        }
    }

    fn push(&mut self, segment: Segment<'t>, place: Place) -> Result<(), PathFault> {
        self.count += 1;
        if self.count > Path::MAX_SEGMENTS {
            return Err(PathFault::TooManySegments);
        }
        let last = matches!(place, Place::Last);
        if segment.decoded.is_empty() && last {
            self.trailing_slash = true;
            return Ok(());
        }
        match (self.mode, segment.decoded.as_ref()) {
            (PathMode::Strict, "") => return Err(PathFault::EmptySegment),
            (PathMode::Strict, "." | "..") => return Err(PathFault::DotSegment),
            (PathMode::Normalise, "") => self.merged = true,
            (PathMode::Normalise, ".") => self.trailing_slash = last,
            (PathMode::Normalise, "..") => {
                self.segments.pop().ok_or(PathFault::DotSegment)?;
                self.climbed = true;
                self.trailing_slash = last;
            }
            (PathMode::Strict | PathMode::Normalise | PathMode::Raw, _) => {
                self.segments.push(segment);
            }
        }
        Ok(())
    }

    /// Refuses `/a//../b`, which is `/a/b` to those who climb first and `/b` to those who merge.
    fn check(&self) -> Result<(), PathFault> {
        if self.merged && self.climbed {
            return Err(PathFault::EmptySegment);
        }
        Ok(())
    }

    fn canonical(&self) -> String {
        let mut text = String::new();
        for segment in &self.segments {
            text.push('/');
            text.push_str(&segment.canonical);
        }
        if self.trailing_slash {
            text.push('/');
        }
        text
    }
}

impl<'t> Segment<'t> {
    /// The segment, percent-decoded exactly once: UTF-8 text without control characters.
    #[must_use]
    pub fn decoded(&self) -> &str {
        &self.decoded
    }

    fn read(written: &'t str, mode: PathMode) -> Result<Self, PathFault> {
        let segment = if written.contains('%') {
            Self::decode(written, mode)?
        } else {
            for byte in written.bytes() {
                check_plain(byte, mode)?;
            }
            Self {
                canonical: Cow::Borrowed(written),
                decoded: Cow::Borrowed(written),
            }
        };
        match mode {
            PathMode::Strict | PathMode::Normalise => segment.check()?,
            PathMode::Raw => {}
        }
        Ok(segment)
    }

    fn decode(written: &'t str, mode: PathMode) -> Result<Self, PathFault> {
        let mut canonical = String::with_capacity(written.len());
        let mut bytes = Vec::with_capacity(written.len());
        for unit in Units::of(written) {
            let byte = match unit.map_err(|_| PathFault::Escape)? {
                Unit::Plain(byte) => {
                    check_plain(byte, mode)?;
                    canonical.push(char::from(byte));
                    byte
                }
                Unit::Escaped(byte) => {
                    match check_escaped(byte, mode)? {
                        Escape::Kept => push_escape(&mut canonical, byte),
                        Escape::Removed => canonical.push(char::from(byte)),
                    }
                    byte
                }
            };
            bytes.push(byte);
        }
        let decoded = String::from_utf8(bytes).map_err(|_| PathFault::NotText)?;
        if decoded.chars().any(char::is_control) {
            return Err(PathFault::NotText);
        }
        let canonical = match mode {
            PathMode::Strict | PathMode::Normalise => Cow::Owned(canonical),
            PathMode::Raw => Cow::Borrowed(written),
        };
        Ok(Self {
            canonical,
            decoded: Cow::Owned(decoded),
        })
    }

    /// What is doubtful about a whole segment, dot segments left to the reader of the path.
    fn check(&self) -> Result<(), PathFault> {
        let text = self.decoded.as_ref();
        if holds_escape(text) {
            return Err(PathFault::DoubleEncoding);
        }
        if text != "." && text != ".." && text.ends_with(['.', ' ']) {
            return Err(PathFault::TrailingDot);
        }
        Ok(())
    }
}

/// What the canonical form does with an escape.
enum Escape {
    Kept,
    Removed,
}

/// Whether `byte` may stand in a path as itself; `split` has seen to controls and non-ASCII.
fn check_plain(byte: u8, mode: PathMode) -> Result<(), PathFault> {
    match (byte, mode) {
        (b'\\', _) => Err(PathFault::Backslash),
        (_, PathMode::Raw) => Ok(()),
        (b';', _) => Err(PathFault::Parameter),
        (b'*', _) => Err(PathFault::Wildcard),
        _ if may_stand_plain(byte) => Ok(()),
        _ => Err(PathFault::Illegal),
    }
}

/// Whether `byte` is one of RFC 3986's `pchar`, without `;` and `*`, and without `%`.
pub(super) const fn may_stand_plain(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'+' | b',' | b'=' | b':' | b'@'
        )
}

fn check_escaped(byte: u8, mode: PathMode) -> Result<Escape, PathFault> {
    match (byte, mode) {
        _ if is_control(byte) => Err(PathFault::EncodedControl),
        (_, PathMode::Raw) => Ok(Escape::Kept),
        (b'/' | b'\\', _) => Err(PathFault::EncodedSlash),
        (b'?' | b'#' | b';' | b'*', _) => Err(PathFault::EncodedDelimiter),
        (_, PathMode::Strict) if is_unreserved(byte) => Err(PathFault::EncodedUnreserved),
        (_, PathMode::Normalise) if is_unreserved(byte) => Ok(Escape::Removed),
        (_, PathMode::Strict | PathMode::Normalise) => Ok(Escape::Kept),
    }
}

#[cfg(test)]
mod tests;
