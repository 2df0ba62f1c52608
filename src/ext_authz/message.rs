//! Protobuf messages as they stand on the wire, read without copying and written without building
//! them first.
//!
//! Only the hot method of the door uses this: reading a check into generated types costs more than
//! deciding it. Tests hold it against the generated types.

use bytes::Bytes;
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};

/// The bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// One field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'m> {
    /// A text, bytes or a message.
    Bytes(&'m [u8]),
    /// A number of any kind.
    Number,
}

impl<'m> Value<'m> {
    /// The bytes of a field that has some.
    pub(super) fn bytes(self) -> Result<&'m [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Number => Err(Malformed),
        }
    }

    pub(super) fn text(self) -> Result<&'m str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }
}

/// The fields of a message in the order of the wire.
#[derive(Clone, Debug)]
pub(super) struct Fields<'m>(&'m [u8]);

impl<'m> Fields<'m> {
    pub(super) fn of(message: &'m [u8]) -> Self {
        Self(message)
    }

    fn field(&mut self) -> Result<(u32, Value<'m>), Malformed> {
        let rest = &mut self.0;
        let (tag, kind) = decode_key(rest).map_err(|_| Malformed)?;
        let value = match kind {
            WireType::Varint => {
                decode_varint(rest).map_err(|_| Malformed)?;
                Value::Number
            }
            WireType::SixtyFourBit => Value::skipped(rest, 8)?,
            WireType::ThirtyTwoBit => Value::skipped(rest, 4)?,
            WireType::LengthDelimited => {
                let length = decode_varint(rest).map_err(|_| Malformed)?;
                let length = usize::try_from(length).map_err(|_| Malformed)?;
                let (bytes, behind) = rest.split_at_checked(length).ok_or(Malformed)?;
                *rest = behind;
                Value::Bytes(bytes)
            }
            // Nobody sends those any more.
            WireType::StartGroup | WireType::EndGroup => return Err(Malformed),
        };
        Ok((tag, value))
    }
}

impl<'m> Value<'m> {
    fn skipped(rest: &mut &'m [u8], length: usize) -> Result<Self, Malformed> {
        *rest = rest.get(length..).ok_or(Malformed)?;
        Ok(Self::Number)
    }
}

impl<'m> Iterator for Fields<'m> {
    type Item = Result<(u32, Value<'m>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// A message in the making, behind the five bytes that gRPC puts in front of one.
#[derive(Debug)]
pub(super) struct Writer(Vec<u8>);

/// The compression flag and the length.
const PREFIX: usize = 5;

impl Writer {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        let mut buffer = Vec::with_capacity(capacity + PREFIX);
        buffer.extend_from_slice(&[0; PREFIX]);
        Self(buffer)
    }

    /// A text that may be empty; proto3 leaves those out.
    pub(super) fn text(&mut self, tag: u32, text: &str) {
        if !text.is_empty() {
            self.begin(tag);
            self.length(text.len());
            self.0.extend_from_slice(text.as_bytes());
        }
    }

    /// A text of a list, where an empty one is one.
    pub(super) fn item(&mut self, tag: u32, text: &str) {
        if text.is_empty() {
            self.message(tag, |_| {});
        } else {
            self.text(tag, text);
        }
    }

    /// A number of type `int32` or an enumeration; proto3 leaves zero out.
    pub(super) fn number(&mut self, tag: u32, number: i32) {
        if number != 0 {
            encode_key(tag, WireType::Varint, &mut self.0);
            // Negative numbers are as long as those of 64 bits.
            encode_varint(i64::from(number).cast_unsigned(), &mut self.0);
        }
    }

    /// A message, which is there even if nothing is written into it.
    pub(super) fn message(&mut self, tag: u32, write: impl FnOnce(&mut Self)) {
        self.begin(tag);
        // Most are short, and one byte tells how short.
        let at = self.0.len();
        self.0.push(0);
        write(self);
        let length = self.0.len() - at - 1;
        if let (Ok(short), Some(place)) = (u8::try_from(length), self.0.get_mut(at))
            && short < 0x80
        {
            *place = short;
            return;
        }
        let inner = self.0.split_off(at + 1);
        self.0.truncate(at);
        self.length(length);
        self.0.extend_from_slice(&inner);
    }

    /// The tag of something with a length.
    fn begin(&mut self, tag: u32) {
        match u8::try_from(tag << 3 | 2) {
            Ok(byte) if byte < 0x80 => self.0.push(byte),
            _ => encode_key(tag, WireType::LengthDelimited, &mut self.0),
        }
    }

    fn length(&mut self, length: usize) {
        match u8::try_from(length) {
            Ok(byte) if byte < 0x80 => self.0.push(byte),
            _ => encode_varint(length as u64, &mut self.0),
        }
    }

    /// The message without what stands in front of it.
    pub(super) fn into_message(self) -> Bytes {
        Bytes::from(self.0).slice(PREFIX..)
    }

    /// The message as gRPC sends it.
    pub(super) fn into_frame(mut self) -> Bytes {
        let length = self.0.len() - PREFIX;
        // An answer is a few kilobytes; its length always fits.
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        if let Some(place) = self.0.get_mut(1..PREFIX) {
            place.copy_from_slice(&length.to_be_bytes());
        }
        self.0.into()
    }
}
