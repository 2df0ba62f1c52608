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
    /// What routes write out beside the types, by the same.
    routes: HashMap<Box<str>, Vec<ArnTemplate>>,
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

/// How a route says that its resources are governed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Governed<'t> {
    /// As this type of this service.
    AsType(&'t MappedService, &'t str),
    /// As this resource is.
    Like(&'t Arn),
}

/// The resource is of no type, and the types of its service are not all governed alike: nobody can
/// say whose policy speaks for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no type of resource of `{service}` has a name like `{resource}`")]
pub struct NoSuchType {
    /// The service component of the ARN.
    pub service: String,
    /// The resource component.
    pub resource: String,
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

impl NoSuchType {
    fn of(arn: &Arn) -> Self {
        Self {
            service: arn.service().to_owned(),
            resource: arn.resource().to_owned(),
        }
    }
}

impl Described<'_> {
    fn is(&self, service: &MappedService, kind: &str) -> bool {
        self.kind == kind && self.service == service
    }

    /// Whether two types govern a resource in the same way.
    fn is_alike(&self, other: &Self) -> bool {
        self.policy == other.policy
            && self.delegation == other.delegation
            && self.resource_control == other.resource_control
            && self.acl == other.acl
            && self.log_delivery == other.log_delivery
    }
}

impl Type {
    fn described(&self, arn: &Arn, values: &[(&str, &str)]) -> Option<Described<'_>> {
        Some(Described {
            service: &self.service,
            kind: &self.name,
            owner: arn.account().unwrap_or_else(|| self.template.owner()),
            policy: match &self.policy {
                Policy::Nobody => PolicySource::Nobody,
                Policy::Own => PolicySource::Own,
                Policy::Parent(parent) => PolicySource::Parent(parent.fill(values, arn)?),
            },
            delegation: self.delegation,
            resource_control: self.resource_control,
            acl: &self.acl,
            log_delivery: self.log_delivery.as_deref(),
        })
    }

    /// Whether a resource of this type is governed as one of no type would be.
    fn is_plain(&self) -> bool {
        self.delegation == TypeDelegation::Default && !matches!(self.policy, Policy::Parent(_))
    }
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
        let of_routes = service.routes.iter();
        let written = of_routes.filter_map(|route| route.resource.as_deref());
        for template in written.filter_map(|text| ArnTemplate::parse(text, service).ok()) {
            let of_service = self.routes.entry(template.service().into());
            of_service.or_default().push(template);
        }
        let actions = service.no_permission.iter();
        self.no_permission
            .extend(actions.map(|action| Box::from(action.folded())));
    }

    /// Puts the narrower types first: those with more text of their own.
    pub(super) fn finish(&mut self) {
        for types in self.types.values_mut() {
            types.sort_by_key(|kind| std::cmp::Reverse(kind.template.narrowness()));
        }
    }

    /// What is said of a resource; `None` when the bundle says nothing of such.
    pub(super) fn describe(&self, arn: &Arn) -> Result<Option<Described<'_>>, NoSuchType> {
        let Some(types) = self.types.get(arn.service()) else {
            return Ok(None);
        };
        let fault = || NoSuchType::of(arn);
        let mut found = None;
        for kind in types {
            if let Some(values) = kind.template.read(arn) {
                found = Some((kind, values));
                break;
            }
            // A book without a name is no shelf, though its ARN is like that of one.
            if kind.template.resembles(arn) {
                break;
            }
        }
        let Some((kind, values)) = found else {
            let of_routes = self.routes.get(arn.service());
            let is_written = of_routes
                .is_some_and(|routes| routes.iter().any(|route| route.read(arn).is_some()));
            let governed_alike = types.iter().all(Type::is_plain);
            return if is_written || governed_alike {
                Ok(None)
            } else {
                Err(fault())
            };
        };
        kind.described(arn, &values).map(Some).ok_or_else(fault)
    }

    /// As [`describe`](Self::describe), for a resource that a route names: its name must not make
    /// it a resource of another kind than the route says.
    pub(super) fn describe_mapped(
        &self,
        arn: &Arn,
        governed: Governed<'_>,
    ) -> Result<Option<Described<'_>>, NoSuchType> {
        let found = self.describe(arn)?;
        let is_so = match governed {
            Governed::AsType(service, name)
                if found.as_ref().is_some_and(|found| found.is(service, name)) =>
            {
                true
            }
            // Another type has such names too: it may be one that says the same.
            Governed::AsType(service, name) => {
                let mut types = self.types.get(arn.service()).into_iter().flatten();
                let own = types.find(|kind| *kind.service == *service && *kind.name == *name);
                let own = own.and_then(|kind| kind.described(arn, &kind.template.read(arn)?));
                own.is_some_and(|own| found.as_ref().is_some_and(|found| found.is_alike(&own)))
            }
            Governed::Like(example) => {
                let example = self.describe(example)?;
                match (&found, &example) {
                    (Some(found), Some(example)) => found.is(example.service, example.kind),
                    (found, example) => found.is_none() && example.is_none(),
                }
            }
        };
        if is_so {
            Ok(found)
        } else {
            Err(NoSuchType::of(arn))
        }
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
    leaf: {arn: "arn:aws:files:::page/${Page}", policy: own}
    page: {arn: "arn:aws:files:::page/${Page}/${Name}.json", policy: leaf}
  routes:
    - {match: "GET /special", action: "files:Get", resource: "arn:aws:files:eu-1::special"}
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
            // `${Region}` and `${Account}` are those of the ARN.
            (
                "arn:aws:files:eu-2:210000000002:key/7",
                Some(("key", PolicySource::Own)),
            ),
            (
                "arn:aws:files:::page/a.json/x.json",
                Some(("page", parent("arn:aws:files:::page/a.json"))),
            ),
            ("arn:aws:other:::a", None),
        ];
        for (arn, expected) in cases {
            let described = table.describe(&Arn::parse(arn).unwrap()).unwrap();
            let got = described
                .as_ref()
                .map(|found| (found.kind, found.policy.clone()));
            assert_eq!(got, expected, "{arn}");
            if let Some(found) = described {
                let explicit = found.delegation == TypeDelegation::Explicit;
                assert_eq!(explicit, found.kind == "key", "DEL-1");
            }
        }
        // What fits no type may be governed like any of them: nobody can tell.
        for arn in [
            "arn:aws:files:eu-1:210000000001:kay/7",
            "arn:aws:files:::a/",
            "arn:aws:files:::/b",
            "arn:aws-cn:files:::a",
            "arn:aws:files:::/x/y",
        ] {
            assert!(table.describe(&Arn::parse(arn).unwrap()).is_err(), "{arn}");
        }
        let written = Arn::parse("arn:aws:files:eu-1::special").unwrap();
        assert!(table.describe(&written).unwrap().is_none());
        let action = |text| Action::parse(text).unwrap();
        assert!(table.needs_no_permission(&action("FILES:whoami")), "EV-6");
        assert!(!table.needs_no_permission(&action("files:Get")));
    }
}
