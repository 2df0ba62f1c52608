//! What a service asks of the signatures of its calls.

/// How the signatures of a service's calls are verified (sections 1.3 to 1.7 of the signing rules).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signing {
    /// The name of the service in the scope of a credential (SIG-31).
    pub service: String,
    /// The regions that a scope may name (SIG-32).
    pub regions: Vec<String>,
    /// How far the clock of a caller may be off, in seconds (SIG-33).
    pub max_skew_s: u32,
    /// The longest life of a signed address, in seconds; zero where none is accepted (SIG-34).
    pub max_presign_s: u32,
    /// What may be known of the body of a call (SIG-44).
    pub payloads: Vec<PayloadMode>,
    /// Headers that begin with `x-amz-` and need not be signed, in lower case (SIG-42).
    pub unsigned_headers: Vec<String>,
    /// Whether the token of a session may stand beside the signature instead of under it (SIG-46).
    pub unsigned_token: bool,
    /// Whether the token of a session is taken without a signature (BRR-01).
    pub bearer_sessions: bool,
}

/// What a signature says of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadMode {
    /// Its hash, which is compared with the body that the PEP showed (ENV-05).
    Verified,
    /// Its hash, of a body that the PEP did not show: the upstream has to compare it (ENV-04).
    Signed,
    /// Nothing (`UNSIGNED-PAYLOAD`).
    Unsigned,
    /// Nothing, and a checksum follows behind it (`STREAMING-UNSIGNED-PAYLOAD-TRAILER`, STR-05).
    UnsignedTrailer,
    /// Signatures of its chunks follow, which the upstream has to verify (STR-04).
    SignedChunks,
}

impl PayloadMode {
    /// Every mode with its name in a bundle.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Verified, "verified"),
        (Self::Signed, "signed"),
        (Self::Unsigned, "unsigned"),
        (Self::UnsignedTrailer, "unsigned-trailer"),
        (Self::SignedChunks, "signed-chunks"),
    ];

    /// Reads the name of a mode.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut all = Self::ALL.iter();
        all.find(|(_, name)| *name == text).map(|(mode, _)| *mode)
    }
}

impl Signing {
    /// How far clocks may be off unless a service says otherwise (SIG-33).
    pub const DEFAULT_SKEW_S: u32 = 300;
    /// The longest life that AWS gives a signed address: seven days (SIG-34).
    pub const DEFAULT_PRESIGN_S: u32 = 604_800;

    /// What holds for a service that says nothing of signatures.
    #[must_use]
    pub fn of(service: &str, region: Option<&str>, payloads: &[PayloadMode]) -> Self {
        // SIG-32: clients of a service without region sign with one of the usual ones.
        let usual = ["us-east-1", "aws-global"];
        let regions = region.into_iter().chain(usual);
        Self {
            service: service.to_owned(),
            regions: regions.map(str::to_owned).collect(),
            max_skew_s: Self::DEFAULT_SKEW_S,
            max_presign_s: Self::DEFAULT_PRESIGN_S,
            payloads: payloads.to_vec(),
            unsigned_headers: Vec::new(),
            unsigned_token: false,
            bearer_sessions: false,
        }
    }

    /// Whether the path is signed as S3 signs it: each segment encoded once and nothing normalised.
    /// Every other service signs the normalised path, encoded once more (SIG-14).
    #[must_use]
    pub fn signs_raw_path(&self) -> bool {
        ["s3", "s3express", "s3-outposts", "s3-object-lambda"].contains(&self.service.as_str())
    }

    /// Whether a mode is accepted.
    #[must_use]
    pub fn accepts(&self, mode: PayloadMode) -> bool {
        self.payloads.contains(&mode)
    }
}
