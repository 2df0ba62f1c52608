//! Codes of second factors, each of which counts once.

use crate::model::Timestamp;
use crate::pdp::caller::Caller;
use crate::pdp::issue::fault::IssueFault;
use crate::snapshot::Snapshot;
use moka::sync::Cache;
use std::time::Duration;

/// How long a used code is remembered: longer than any clock would let it pass.
const LIFE: Duration = Duration::from_mins(5);
/// Within how long wrong codes are counted.
const WINDOW: Duration = Duration::from_mins(1);
/// The most wrong codes of a device within that time (MFA-01).
const MAX_WRONG: u32 = 5;
/// The most devices that are remembered.
const MAX_DEVICES: u64 = 100_000;

/// A device and a code that it showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The serial number or ARN of the device.
    pub serial: String,
    /// Six digits.
    pub code: String,
}

/// Which codes were used, and how many were wrong.
#[derive(Clone, Debug)]
pub struct UsedCodes {
    used: Cache<(String, i64), ()>,
    wrong: Cache<String, u32>,
}

impl Default for UsedCodes {
    fn default() -> Self {
        let cache = |life| {
            Cache::builder()
                .max_capacity(MAX_DEVICES)
                .time_to_live(life)
        };
        Self {
            used: cache(LIFE).build(),
            wrong: Cache::builder()
                .max_capacity(MAX_DEVICES)
                .time_to_live(WINDOW)
                .build(),
        }
    }
}

impl UsedCodes {
    /// Whether a user shows a code of an own device that was not shown before (MFA-01, MFA-02).
    ///
    /// # Errors
    ///
    /// [`IssueFault`] for any other code, and for too many of those.
    pub(super) fn accept(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        proof: &Proof,
        now: Timestamp,
    ) -> Result<(), IssueFault> {
        let failed = || {
            let message = "MultiFactorAuthentication failed with invalid MFA one time pass code.";
            IssueFault::Denied(message.to_owned())
        };
        // A device proves something of its own user, and of long-term keys only.
        let is_long_term = caller.token.is_none();
        let user = caller
            .subject
            .as_ref()
            .filter(|_| is_long_term)
            .ok_or_else(failed)?;
        let factors = &snapshot.second_factors;
        // Somebody else's device is not counted against its owner.
        if !factors.is_of(user.arn.as_str(), &proof.serial) {
            return Err(failed());
        }
        let wrong = self.wrong.get(&proof.serial).unwrap_or_default();
        if wrong >= MAX_WRONG {
            return Err(IssueFault::Throttled);
        }
        let step = factors.step(user.arn.as_str(), &proof.serial, &proof.code, now);
        let entry = step.map(|step| self.used.entry((proof.serial.clone(), step)).or_insert(()));
        if entry.is_some_and(|entry| entry.is_fresh()) {
            return Ok(());
        }
        self.wrong.insert(proof.serial.clone(), wrong + 1);
        Err(failed())
    }
}
