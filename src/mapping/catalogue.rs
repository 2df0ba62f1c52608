//! What services say about resources, found by the ARN of one.
//!
//! A call that a route maps and a question that names an ARN are treated alike: both look the
//! resource up here.

use super::definition::MappedService;
use super::template::ArnTemplate;
use crate::model::{AccountId, Action, Arn};
use crate::policy::resource_record::AclActions;
use crate::policy::{PolicyOwner, Service, TypeDelegation};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// The resource types of all services, and their actions without permission.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    /// By the service component of their ARNs.
    types: HashMap<Box<str>, Vec<Type>>,
    no_permission: HashSet<Box<str>>,
}

#[derive(Debug)]
struct Type {
    service: Arc<MappedService>,
    name: Box<str>,
    template: ArnTemplate,
    policy: Policy,
    delegation: TypeDelegation,
    resource_control: bool,
    acl: AclActions,
    log_delivery: Option<Box<str>>,
}

#[derive(Debug)]
enum Policy {
    Nobody,
    Own,
    Parent(ArnTemplate),
}

/// What is said of a resource.
#[derive(Debug)]
pub struct Described<'c> {
    /// The service whose resource it is.
    pub service: &'c MappedService,
    /// The name of its type.
    pub kind: &'c str,
    /// The account that owns it, by the template of its type.
    pub owner: AccountId,
    /// Whose resource policy speaks for it.
    pub policy: PolicySource,
    /// Whether identity policies of its account count by themselves (DEL-1).
    pub delegation: TypeDelegation,
    /// Whether resource control policies bind it (RCP-2).
    pub resource_control: bool,
    /// What the permissions of an access control list stand for.
    pub acl: &'c AclActions,
    /// The service principal that lists call `LogDelivery`.
    pub log_delivery: Option<&'c str>,
}

/// Whose resource policy speaks for a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicySource {
    /// Nobody's: its type has no resource policies.
    Nobody,
    /// Its own.
    Own,
    /// That of the resource that contains it.
    Parent(Arn),
}

impl Catalogue {
    /// Adds the types of a service; those at fault are left out, and told where they are read.
    pub(super) fn add(
        &mut self,
        service: &Service,
        facts: &Arc<MappedService>,
        templates: &BTreeMap<&str, ArnTemplate>,
    ) {
        for (name, definition) in &service.resources {
            let Some(template) = templates.get(name.as_str()) else {
                continue;
            };
            let policy = match &definition.policy {
                PolicyOwner::None => Policy::Nobody,
                PolicyOwner::Own => Policy::Own,
                PolicyOwner::Parent(parent) => match templates.get(parent.as_str()) {
                    Some(parent) => Policy::Parent(parent.clone()),
                    None => continue,
                },
            };
            let kind = Type {
                service: Arc::clone(facts),
                name: name.as_str().into(),
                template: template.clone(),
                policy,
                delegation: definition.delegation,
                resource_control: definition.resource_control,
                acl: definition.acl.clone(),
                log_delivery: service.log_delivery.as_deref().map(Box::from),
            };
            let of_service = self.types.entry(kind.template.service().into());
            of_service.or_default().push(kind);
        }
        let actions = service.no_permission.iter();
        self.no_permission
            .extend(actions.map(|action| Box::from(action.folded())));
    }

    /// Puts the narrower types first: those with more text of their own.
    pub(super) fn finish(&mut self) {
        for types in self.types.values_mut() {
            types.sort_by_key(|kind| std::cmp::Reverse(kind.template.literal_length()));
        }
    }

    /// What is said of a resource; `None` when it is of no known type.
    pub(super) fn describe(&self, arn: &Arn) -> Option<Described<'_>> {
        let types = self.types.get(arn.service())?;
        types.iter().find_map(|kind| {
            let values = kind.template.read(arn)?;
            let policy = match &kind.policy {
                Policy::Nobody => PolicySource::Nobody,
                Policy::Own => PolicySource::Own,
                Policy::Parent(parent) => PolicySource::Parent(parent.fill(&values)?),
            };
            Some(Described {
                service: &kind.service,
                kind: &kind.name,
                owner: kind.template.owner(),
                policy,
                delegation: kind.delegation,
                resource_control: kind.resource_control,
                acl: &kind.acl,
                log_delivery: kind.log_delivery.as_deref(),
            })
        })
    }

    /// Whether every authenticated caller may do the action (EV-6).
    pub(super) fn needs_no_permission(&self, action: &Action) -> bool {
        self.no_permission.contains(action.folded())
    }
}

#[cfg(test)]
mod tests {
    use crate::mapping::{PolicySource, Table};
    use crate::model::{Action, Arn};
    use crate::policy::{Bundle, BundleFile, TypeDelegation};

    #[test]
    fn a_resource_is_described_by_its_arn() {
        let text = r#"apiVersion: sidegate.dev/v1alpha1
kind: IamService
metadata: {name: files}
spec:
  prefix: files
  account: "210000000001"
  region: eu-1
  noPermission: [WhoAmI]
  resources:
    shelf: {arn: "arn:aws:files:::${Shelf}", policy: own}
    book: {arn: "arn:aws:files:::${Shelf}/${Book}", policy: shelf}
    key: {arn: "arn:aws:files:${Region}:${Account}:key/${Id}", policy: own, delegation: explicit}
"#;
        let file = BundleFile {
            path: "files.yaml",
            bytes: text.as_bytes(),
        };
        let (bundle, _) = Bundle::parse(&[file]).unwrap();
        let table = Table::compile(&bundle.services).unwrap();
        let parent = |text: &str| PolicySource::Parent(Arn::parse(text).unwrap());
        // (ARN, type, whose policy)
        let cases = [
            ("arn:aws:files:::a", Some(("shelf", PolicySource::Own))),
            (
                "arn:aws:files:::a/b",
                Some(("book", parent("arn:aws:files:::a"))),
            ),
            (
                "arn:aws:files:::a/b/c",
                Some(("book", parent("arn:aws:files:::a"))),
            ),
            (
                "arn:aws:files:eu-1:210000000001:key/7",
                Some(("key", PolicySource::Own)),
            ),
            // Of another region or account, so no type of the service.
            ("arn:aws:files:eu-2:210000000001:key/7", None),
            ("arn:aws:files:eu-1:210000000002:key/7", None),
            ("arn:aws:other:::a", None),
        ];
        for (arn, expected) in cases {
            let described = table.describe(&Arn::parse(arn).unwrap());
            let got = described
                .as_ref()
                .map(|found| (found.kind, found.policy.clone()));
            assert_eq!(got, expected, "{arn}");
            if let Some(found) = described {
                let explicit = found.delegation == TypeDelegation::Explicit;
                assert_eq!(explicit, found.kind == "key", "DEL-1");
            }
        }
        let action = |text| Action::parse(text).unwrap();
        assert!(table.needs_no_permission(&action("FILES:whoami")), "EV-6");
        assert!(!table.needs_no_permission(&action("files:Get")));
    }
}
