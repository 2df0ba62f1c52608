//! Access key ids, which carry their account (IDS-02).

use crate::model::AccountId;
use data_encoding::BASE32;

/// The prefix of a temporary key (IDS-01).
const TEMPORARY: &str = "ASIA";

/// What stands behind the prefix of an access key id: 48 bits with the account in them, and 32 by
/// chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessKeyBytes(pub(super) [u8; 10]);

impl AccessKeyBytes {
    /// An id of `account`, different each time by `chance`.
    #[must_use]
    pub fn new(account: AccountId, chance: [u8; 5]) -> Self {
        // INVARIANT: an account is twelve digits, which 40 bits hold.
        let number: u64 = account.as_str().parse().unwrap_or_default();
        let [extra, rest @ ..] = chance;
        let head = (number << 7) | u64::from(extra & 0x7f);
        let mut bytes = [0; 10];
        let parts = head.to_be_bytes().into_iter().skip(2).chain(rest);
        for (place, byte) in bytes.iter_mut().zip(parts) {
            *place = byte;
        }
        Self(bytes)
    }

    /// The id of a temporary key.
    #[must_use]
    pub fn temporary(self) -> String {
        format!("{TEMPORARY}{}", BASE32.encode(&self.0))
    }

    /// Reads the id of a temporary key.
    #[must_use]
    pub fn parse_temporary(text: &str) -> Option<Self> {
        parse_base32(text.strip_prefix(TEMPORARY)?).map(Self)
    }

    /// The account of any access key id whose layout is this one (GAK).
    #[must_use]
    pub fn account_of(text: &str) -> Option<AccountId> {
        let bytes = parse_base32(text.get(4..)?)?;
        let first = bytes.iter().take(6);
        let head = first.fold(0_u64, |head, byte| (head << 8) | u64::from(*byte));
        let number = (head & 0x7fff_ffff_ff80) >> 7;
        AccountId::parse(&format!("{number:012}")).ok()
    }
}

/// Reads 16 characters of base32.
fn parse_base32(text: &str) -> Option<[u8; 10]> {
    let mut bytes = [0; 10];
    let length = BASE32.decode_len(text.len()).ok();
    if text.len() != 16 || length != Some(bytes.len()) {
        return None;
    }
    BASE32.decode_mut(text.as_bytes(), &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_carries_its_account() {
        for number in ["000000000000", "123456789012", "999999999999"] {
            let account = AccountId::parse(number).unwrap();
            for chance in [[0; 5], [0xff; 5], [1, 2, 3, 4, 5]] {
                let id = AccessKeyBytes::new(account, chance);
                let text = id.temporary();
                assert_eq!(text.len(), 20, "IDS-01");
                assert_eq!(AccessKeyBytes::parse_temporary(&text), Some(id));
                assert_eq!(AccessKeyBytes::account_of(&text), Some(account), "IDS-02");
            }
        }
    }

    #[test]
    fn what_is_no_id_has_no_account() {
        for text in [
            "",
            "ASIA",
            "ASIAaaaaaaaaaaaaaaaa",
            "ASIA0000000000000000",
            "ASIAAAAAAAAAAAAAAAA",
            "ASIAAAAAAAAAAAAAAAAAA",
            "ASÏAAAAAAAAAAAAAAAAA",
            // An account number beyond twelve digits.
            "ASIA7777777777777777",
        ] {
            assert_eq!(AccessKeyBytes::account_of(text), None, "{text}");
        }
        assert_eq!(
            AccessKeyBytes::parse_temporary("AKIAAAAAAAAAAAAAAAAA"),
            None
        );
    }
}
