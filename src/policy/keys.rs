//! The condition keys that exist everywhere, with type and cardinality (KEY-3, KEY-9, KEY-10).

use crate::model::ContextKey;
use crate::policy::{Cardinality, ConditionKeyType};
use std::collections::BTreeMap;

/// Which condition keys are declared: the global ones, and those of your own services and issuers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    declared: BTreeMap<ContextKey, ConditionKeyType>,
    undeclared: Cardinality,
}

const fn single(name: &'static str) -> ConditionKeyType {
    ConditionKeyType {
        name,
        cardinality: Cardinality::Single,
    }
}

const fn multiple(name: &'static str) -> ConditionKeyType {
    ConditionKeyType {
        name,
        cardinality: Cardinality::Multiple,
    }
}

/// The global keys by folded name.
const GLOBAL: &[(&str, ConditionKeyType)] = &[
    ("aws:assumedroot", single("bool")),
    ("aws:calledvia", multiple("string")),
    ("aws:calledviafirst", single("string")),
    ("aws:calledvialast", single("string")),
    ("aws:chatbotsourcearn", single("arn")),
    ("aws:currenttime", single("date")),
    ("aws:epochtime", single("date")),
    ("aws:federatedprovider", single("string")),
    ("aws:multifactorauthage", single("numeric")),
    ("aws:multifactorauthpresent", single("bool")),
    ("aws:principalaccount", single("string")),
    ("aws:principalarn", single("arn")),
    ("aws:principalisawsservice", single("bool")),
    ("aws:principalorgid", single("string")),
    ("aws:principalorgpaths", multiple("string")),
    ("aws:principalservicename", single("string")),
    ("aws:principalservicenameslist", multiple("string")),
    ("aws:principaltype", single("string")),
    ("aws:referer", single("string")),
    ("aws:requestedregion", single("string")),
    ("aws:resourceaccount", single("string")),
    ("aws:resourceorgid", single("string")),
    ("aws:resourceorgpaths", multiple("string")),
    ("aws:securetransport", single("bool")),
    ("aws:signinsessionarn", single("arn")),
    ("aws:sourceaccount", single("string")),
    ("aws:sourcearn", single("arn")),
    ("aws:sourceidentity", single("string")),
    ("aws:sourceip", single("ip")),
    ("aws:sourceorgid", single("string")),
    ("aws:sourceorgpaths", multiple("string")),
    ("aws:sourcevpc", single("string")),
    ("aws:sourcevpcarn", single("arn")),
    ("aws:sourcevpce", single("string")),
    ("aws:tagkeys", multiple("string")),
    ("aws:tokenissuetime", single("date")),
    ("aws:useragent", single("string")),
    ("aws:userid", single("string")),
    ("aws:username", single("string")),
    ("aws:viaawsservice", single("bool")),
    ("aws:vpceaccount", single("string")),
    ("aws:vpceorgid", single("string")),
    ("aws:vpceorgpaths", multiple("string")),
    ("aws:vpcsourceip", single("ip")),
    ("iam:associatedresourcearn", single("arn")),
    ("iam:awsservicename", single("string")),
    ("iam:passedtoservice", single("string")),
    ("iam:permissionsboundary", single("arn")),
    ("iam:policyarn", single("arn")),
    ("sidegate:authtype", single("string")),
    ("sidegate:peerprincipal", single("string")),
    ("sidegate:signatureage", single("numeric")),
    ("sts:awsservicename", single("string")),
    ("sts:durationseconds", single("numeric")),
    ("sts:externalid", single("string")),
    ("sts:rolesessionname", single("string")),
    ("sts:sourceidentity", single("string")),
    ("sts:transitivetagkeys", multiple("string")),
];

/// Key families whose part behind the slash is a tag name.
const TAG_FAMILIES: &[&str] = &[
    "aws:principaltag/",
    "aws:requesttag/",
    "aws:resourcetag/",
    "iam:resourcetag/",
];

impl Default for Keys {
    fn default() -> Self {
        Self::global()
    }
}

impl Keys {
    /// The global keys alone; whatever nobody declares has one value (KEY-3).
    #[must_use]
    pub fn global() -> Self {
        Self {
            declared: BTreeMap::new(),
            undeclared: Cardinality::Single,
        }
    }

    /// The global keys alone, where nobody can declare others: a key that is tested as a set may
    /// then have several values.
    #[must_use]
    pub fn of_closed_world() -> Self {
        Self {
            undeclared: Cardinality::Either,
            ..Self::global()
        }
    }

    /// Adds a key of a service.
    pub fn declare(&mut self, key: ContextKey, kind: ConditionKeyType) {
        self.declared.insert(key, kind);
    }

    /// The type of a key; `None` when nobody declared it.
    #[must_use]
    pub fn type_of(&self, key: &ContextKey) -> Option<ConditionKeyType> {
        let name = key.as_str();
        if let Ok(at) = GLOBAL.binary_search_by(|(global, _)| (*global).cmp(name)) {
            return GLOBAL.get(at).map(|(_, kind)| *kind);
        }
        let tag = |family: &&str| {
            name.strip_prefix(*family)
                .is_some_and(|tag| !tag.is_empty())
        };
        if TAG_FAMILIES.iter().any(tag) {
            return Some(single("string"));
        }
        if let Some(kind) = self.declared.get(key) {
            return Some(*kind);
        }
        // A name that ends in a slash declares all keys behind it.
        if let Some((family, behind)) = name.split_once('/')
            && !behind.is_empty()
            && let Some(kind) = self.declared.get(&ContextKey::new(&format!("{family}/")))
        {
            return Some(*kind);
        }
        let (issuer, attribute) = name.rsplit_once(':')?;
        match attribute {
            _ if issuer == "saml" && attribute.starts_with("edu") => Some(multiple("string")),
            _ if issuer == "saml" => Some(single("string")),
            // KEY-10: keys of an identity provider begin with its host name.
            "amr" if issuer.contains('.') => Some(multiple("string")),
            "sub" | "id" if issuer.contains('.') => Some(single("string")),
            "aud" | "oaud" | "azp" if issuer.contains('.') => Some(ConditionKeyType {
                name: "string",
                cardinality: Cardinality::Either,
            }),
            _ => None,
        }
    }

    /// How many values the key has.
    #[must_use]
    pub fn cardinality(&self, key: &ContextKey) -> Cardinality {
        self.type_of(key)
            .map_or(self.undeclared, |kind| kind.cardinality)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_global_table_is_sorted_and_folded() {
        assert!(GLOBAL.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(
            GLOBAL
                .iter()
                .all(|(name, _)| *name == name.to_ascii_lowercase())
        );
    }

    #[test]
    fn keys_have_types() {
        let keys = Keys::global();
        let cases = [
            ("AWS:SourceIp", Some(single("ip"))),
            ("aws:TagKeys", Some(multiple("string"))),
            ("aws:PrincipalTag/Team", Some(single("string"))),
            ("aws:PrincipalTag/", None),
            ("login.example.com:amr", Some(multiple("string"))),
            ("login.example.com:sub", Some(single("string"))),
            ("saml:namequalifier", Some(single("string"))),
            ("orders:sub", None),
            ("orders:Priority", None),
        ];
        for (name, expected) in cases {
            assert_eq!(keys.type_of(&ContextKey::new(name)), expected, "{name}");
        }
    }
}
