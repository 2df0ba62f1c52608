//! Second factors: one-time codes by time (RFC 6238: SHA-1, 30 seconds, 6 digits).

use crate::model::{Secret, Timestamp};
use crate::policy::User;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;
use std::collections::HashMap;

/// How long a code is the one, in seconds.
const STEP_S: i64 = 30;
/// How many digits it has.
const DIGITS: usize = 6;

/// The second factors of all users, by serial number.
#[derive(Clone, Debug, Default)]
pub struct SecondFactors(HashMap<Box<str>, Device>);

#[derive(Clone, Debug)]
struct Device {
    user: Box<str>,
    seed: Option<Secret>,
}

impl SecondFactors {
    /// Joins the devices of users with the files that their seeds are in: base32, as in the code
    /// that an authenticator scans. A device without a readable seed proves nothing.
    #[must_use]
    pub fn compile<'u, 'f>(
        users: impl IntoIterator<Item = &'u User>,
        file: impl Fn(&str) -> Option<&'f [u8]>,
    ) -> Self {
        let mut devices = HashMap::new();
        for user in users {
            for device in &user.mfa_devices {
                let seed = file(&device.secret_file).and_then(read_seed);
                let user = user.identity.arn.as_str().into();
                let serial = device.serial.as_str().into();
                let entry = devices.entry(serial);
                // A device that two users have proves nothing of either.
                entry
                    .and_modify(|device: &mut Device| device.seed = None)
                    .or_insert(Device { user, seed });
            }
        }
        Self(devices)
    }

    /// Whether a device is one of the user with this ARN.
    #[must_use]
    pub fn is_of(&self, user: &str, serial: &str) -> bool {
        self.0
            .get(serial)
            .is_some_and(|device| *device.user == *user)
    }

    /// The step whose code this is, for a device of the user with this ARN: that of `now`, or one
    /// beside it (MFA-01). Whoever accepts it accepts no step twice.
    #[must_use]
    pub fn step(&self, user: &str, serial: &str, code: &str, now: Timestamp) -> Option<i64> {
        let device = self.0.get(serial).filter(|device| *device.user == *user)?;
        let seed = device.seed.as_ref()?;
        if code.len() != DIGITS || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let current = now.seconds().div_euclid(STEP_S);
        let mut found = None;
        for step in [current - 1, current, current + 1] {
            let expected = code_of(seed.expose(), step);
            if verify_slices_are_equal(expected.as_bytes(), code.as_bytes()).is_ok() {
                found = Some(step);
            }
        }
        found
    }
}

fn read_seed(bytes: &[u8]) -> Option<Secret> {
    let text = std::str::from_utf8(bytes).ok()?;
    let bare: String = text
        .chars()
        .filter(|character| !character.is_ascii_whitespace() && *character != '=')
        .collect();
    let seed = BASE32_NOPAD
        .decode(bare.to_ascii_uppercase().as_bytes())
        .ok()?;
    (seed.len() >= 10).then(|| Secret::new(seed))
}

/// The code of one step (RFC 4226 section 5.3).
fn code_of(seed: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, seed);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag.last().copied().unwrap_or_default() & 0xf);
    let four = tag.get(at..at + 4).and_then(|four| four.try_into().ok());
    let number = u32::from_be_bytes(four.unwrap_or_default()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238 appendix B, the last six digits.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let got = code_of(b"12345678901234567890", seconds / STEP_S);
            assert_eq!(got, code, "MFA-01: {seconds}");
        }
    }

    #[test]
    fn a_code_is_good_for_its_user_and_one_step_around() {
        let seed = Some(Secret::new(b"12345678901234567890".to_vec()));
        let user = "arn:aws:iam::1:user/ana".into();
        let factors = SecondFactors(HashMap::from([("phone".into(), Device { user, seed })]));
        let step = |user: &str, serial: &str, code: &str, at: i64| {
            factors.step(user, serial, code, Timestamp::from_seconds(at))
        };
        let ana = "arn:aws:iam::1:user/ana";
        for (at, expected) in [(0, Some(1)), (30, Some(1)), (89, Some(1)), (90, None)] {
            assert_eq!(step(ana, "phone", "287082", at), expected, "{at}");
        }
        assert_eq!(
            step("arn:aws:iam::1:user/ben", "phone", "287082", 59),
            None,
            "MFA-02"
        );
        for code in ["", "28708", "2870822", "287O82", "２８７０８２", "+28708"] {
            assert_eq!(step(ana, "phone", code, 59), None, "{code}");
        }
        assert_eq!(step(ana, "other", "287082", 59), None);
    }

    #[test]
    fn seeds_are_base32() {
        let good = "GEZD GNBV gy3tqojqGEZDGNBVGY3TQOJQ\n";
        let seed = read_seed(good.as_bytes()).unwrap();
        assert_eq!(seed.expose(), b"12345678901234567890");
        for bad in ["", "GEZDGNBV", "0189", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1"] {
            assert!(read_seed(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
