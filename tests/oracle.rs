//! A second evaluator: slow, obvious, and written from the rules alone.
//!
//! It reads a simulation case as JSON and shares no code with the engine, not even the parsing of
//! documents. It takes well-formed documents only.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;

/// True, false or undetermined (GEN-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum T {
    Yes,
    No,
    Maybe,
}

use T::{Maybe, No, Yes};

impl From<bool> for T {
    fn from(value: bool) -> Self {
        if value { Yes } else { No }
    }
}

fn not(value: T) -> T {
    match value {
        Yes => No,
        No => Yes,
        Maybe => Maybe,
    }
}

fn all(values: impl IntoIterator<Item = T>) -> T {
    let values: Vec<T> = values.into_iter().collect();
    if values.contains(&No) {
        No
    } else if values.contains(&Maybe) {
        Maybe
    } else {
        Yes
    }
}

fn any(values: impl IntoIterator<Item = T>) -> T {
    not(all(values.into_iter().map(not)))
}

/// What the oracle says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) decision: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) layer: Option<&'static str>,
    pub(crate) layers: Vec<&'static str>,
}

/// What is known of a key: nothing, or its values. A key that is not in the map is absent.
type Context = BTreeMap<String, Option<Vec<String>>>;

/// Who asks, in the terms of PM-1.
#[derive(Clone, Debug)]
enum Who {
    Root {
        account: String,
    },
    User {
        arn: String,
        account: String,
    },
    Session {
        role: String,
        arn: String,
        account: String,
    },
    Federated {
        arn: String,
        account: String,
    },
    Service(String),
    Provider(String),
    Anonymous,
}

struct World<'c> {
    who: Who,
    action: String,
    resource: String,
    context: Context,
    bounded: bool,
    case: &'c Value,
}

/// How strongly a principal entry matches, from weak to strong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Delegating,
    Limited,
    Direct,
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Bool(value) => vec![value.to_string()],
        Value::Number(number) => vec![number.to_string()],
        Value::Null | Value::Object(_) => vec![],
    }
}

fn list<'v>(case: &'v Value, name: &str) -> Option<Vec<&'v Value>> {
    case[name].as_array().map(|items| items.iter().collect())
}

fn who(principal: &Value) -> Who {
    let Some(text) = principal.as_str() else {
        return Who::Anonymous;
    };
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    if parts.len() < 6 {
        return Who::Service(text.to_owned());
    }
    let (account, rest) = (parts[4].to_owned(), parts[5]);
    let arn = text.to_owned();
    if rest == "root" {
        Who::Root { account }
    } else if rest.starts_with("user/") {
        Who::User { arn, account }
    } else if let Some(rest) = rest.strip_prefix("assumed-role/") {
        let name = rest.split('/').next().unwrap();
        let role = format!("arn:aws:iam::{account}:role/{name}");
        Who::Session { role, arn, account }
    } else if rest.starts_with("federated-user/") {
        Who::Federated { arn, account }
    } else {
        Who::Provider(arn)
    }
}

impl Who {
    fn account(&self) -> Option<&str> {
        match self {
            Self::Root { account }
            | Self::User { account, .. }
            | Self::Session { account, .. }
            | Self::Federated { account, .. } => Some(account),
            Self::Service(_) | Self::Provider(_) | Self::Anonymous => None,
        }
    }

    fn has_identity_side(&self) -> bool {
        matches!(
            self,
            Self::User { .. } | Self::Session { .. } | Self::Federated { .. }
        )
    }
}

/// KEY-8 and what follows from the request itself.
fn context(request: &Value, who: &Who, owner: Option<&str>) -> Context {
    let mut context = Context::new();
    for (key, value) in request["context"].as_object().unwrap_or(&Map::new()) {
        let known = match value {
            Value::Object(_) => None,
            value => Some(texts(value)),
        };
        match context.entry(key.to_ascii_lowercase()) {
            // KEY-2
            Entry::Occupied(mut twice) => _ = twice.insert(None),
            Entry::Vacant(entry) => {
                if known.as_ref().is_none_or(|values| !values.is_empty()) {
                    entry.insert(known);
                }
            }
        }
    }
    let mut fill = |key: &str, value: &str| {
        let key = key.to_ascii_lowercase();
        context.entry(key).or_insert(Some(vec![value.to_owned()]));
    };
    fill("aws:ViaAWSService", "false");
    match who {
        Who::Root { account } => {
            fill("aws:PrincipalArn", &format!("arn:aws:iam::{account}:root"));
            fill("aws:PrincipalType", "Account");
            fill("aws:userid", account);
        }
        Who::User { arn, .. } => {
            fill("aws:PrincipalArn", arn);
            fill("aws:PrincipalType", "User");
            fill("aws:username", arn.rsplit('/').next().unwrap());
        }
        Who::Session { role, .. } => {
            fill("aws:PrincipalArn", role);
            fill("aws:PrincipalType", "AssumedRole");
            fill("aws:MultiFactorAuthPresent", "false");
        }
        Who::Federated { arn, account } => {
            fill("aws:PrincipalArn", arn);
            fill("aws:PrincipalType", "FederatedUser");
            fill(
                "aws:userid",
                &format!("{account}:{}", arn.rsplit('/').next().unwrap()),
            );
        }
        Who::Service(name) => {
            fill("aws:PrincipalServiceName", name);
            fill("aws:PrincipalServiceNamesList", name);
        }
        Who::Anonymous => {
            fill("aws:PrincipalAccount", "anonymous");
            fill("aws:PrincipalType", "Anonymous");
            fill("aws:userid", "anonymous");
        }
        Who::Provider(arn) => fill("aws:FederatedProvider", arn),
    }
    if let Some(account) = who.account() {
        fill("aws:PrincipalAccount", account);
    }
    if !matches!(who, Who::Provider(_) | Who::Anonymous) {
        let service = matches!(who, Who::Service(_));
        fill("aws:PrincipalIsAWSService", &service.to_string());
    }
    if let Some(owner) = owner {
        fill("aws:ResourceAccount", owner);
    }
    if let Some(time) = request["time"].as_str() {
        let seconds = instant(time).unwrap();
        fill("aws:CurrentTime", time);
        fill("aws:EpochTime", &seconds.to_string());
    } else {
        // There is a time, and nobody tells which.
        for key in ["aws:currenttime", "aws:epochtime"] {
            context.entry(key.to_owned()).or_insert(None);
        }
    }
    context
}

/// Judges a simulation case.
pub(crate) fn judge(case: &Value) -> Verdict {
    let request = &case["request"];
    let who = who(&request["principal"]);
    let wildcard = case["wildcardOnlyAction"] == Value::Bool(true);
    let resource = if wildcard {
        "*".to_owned()
    } else {
        request["resource"].as_str().unwrap().to_owned()
    };
    let deny = |reason, layer: Option<&'static str>| Verdict {
        decision: "Deny",
        reason,
        layer,
        layers: layer.into_iter().collect(),
    };
    // RES-13
    let components: Vec<&str> = resource.splitn(6, ':').collect();
    let is_full = components.len() == 6
        && components[0] == "arn"
        && [1, 2, 5].iter().all(|at| !components[*at].is_empty());
    if resource != "*" && !is_full {
        return deny("error", None);
    }
    let account_in_arn = resource.split(':').nth(4).filter(|text| text.len() == 12);
    let owner = request["resourceAccount"]
        .as_str()
        .or(account_in_arn)
        .or(who.account())
        .map(str::to_owned);
    let is_arn = resource != "*";
    if let (Some(owner), Some(written)) = (&owner, account_in_arn)
        && owner != written
    {
        return deny("error", None);
    }
    let action = request["action"].as_str().unwrap().to_ascii_lowercase();
    // ARN-8: all principals here are of `aws`.
    if is_arn && who.account().is_some() && resource.split(':').nth(1) != Some("aws") {
        return deny("implicit_deny", Some("partition"));
    }
    let refused = match &who {
        Who::Root { .. } => action == "sts:assumerole",
        Who::Session { .. } => {
            matches!(
                action.as_str(),
                "sts:getsessiontoken" | "sts:getfederationtoken"
            )
        }
        Who::Federated { .. } => {
            action.starts_with("iam:")
                || (action.starts_with("sts:") && action != "sts:getcalleridentity")
        }
        _ => false,
    };
    if refused {
        return deny("implicit_deny", Some("session"));
    }
    let authenticated = !matches!(who, Who::Anonymous | Who::Provider(_));
    if authenticated
        && matches!(
            action.as_str(),
            "sts:getcalleridentity" | "sts:getsessiontoken"
        )
    {
        return allow("identity");
    }
    let boundary = list(case, "permissionsBoundaries").filter(|list| !list.is_empty());
    let world = World {
        context: context(request, &who, owner.as_deref()),
        bounded: boundary.is_some() && who.has_identity_side(),
        who,
        action,
        resource,
        case,
    };
    world.decide(owner.as_deref(), boundary)
}

fn allow(layer: &'static str) -> Verdict {
    Verdict {
        decision: "Allow",
        reason: "allowed",
        layer: Some(layer),
        layers: vec![],
    }
}

impl World<'_> {
    #[expect(
        clippy::too_many_lines,
        reason = "the steps of the evaluation, in their order"
    )]
    fn decide(&self, owner: Option<&str>, boundary: Option<Vec<&Value>>) -> Verdict {
        let case = self.case;
        let is_role = self.resource.contains(":iam:") && self.resource.contains(":role/");
        let is_trust = self.action.starts_with("sts:") && is_role;
        let is_key = self.action.starts_with("kms:") && self.resource.contains(":key/");
        let resource_name = if is_role { "trust" } else { "resource" };
        let identity_side = self.who.has_identity_side();
        let organised = identity_side || matches!(self.who, Who::Root { .. });
        let levels = |name: &str| -> Vec<Vec<&Value>> {
            let levels = list(case, name).unwrap_or_default();
            levels
                .iter()
                .map(|level| list(level, "policies").unwrap())
                .collect()
        };
        let scp = if organised {
            levels("serviceControlPolicies")
        } else {
            vec![]
        };
        let rcp = levels("resourceControlPolicies");
        let endpoint = list(case, "endpointPolicies")
            .filter(|list| !list.is_empty() && !matches!(self.who, Who::Service(_)))
            // CTX-8
            .filter(|_| !self.is_forwarded());
        let resource: Vec<&Value> = Some(&case["resourcePolicy"])
            .filter(|policy| !policy.is_null())
            // ROLE-31
            .filter(|_| self.action != "iam:passrole")
            .into_iter()
            .collect();
        let identity = list(case, "identityPolicies").unwrap_or_default();
        let identity = if identity_side { identity } else { vec![] };
        let boundary = boundary.filter(|_| identity_side);
        let is_user = matches!(self.who, Who::User { .. });
        let is_root = matches!(self.who, Who::Root { .. });
        let session = list(case, "sessionPolicies").filter(|list| {
            (identity_side || is_root) && !((is_user || is_root) && list.is_empty())
        });

        // Step 4: denies, in the order of RSN-4.
        let mut denying: Vec<&'static str> = Vec::new();
        let flat =
            |levels: &Vec<Vec<&Value>>| levels.iter().flatten().copied().any(|d| self.denies(d));
        let many = |list: &Option<Vec<&Value>>| list.iter().flatten().any(|d| self.denies(d));
        for (name, denies) in [
            ("scp", flat(&scp)),
            ("rcp", flat(&rcp)),
            ("endpoint", many(&endpoint)),
            (resource_name, resource.iter().any(|d| self.denies(d))),
            ("identity", identity.iter().any(|d| self.denies(d))),
            ("boundary", many(&boundary)),
            ("session", many(&session)),
        ] {
            if denies {
                denying.push(name);
            }
        }
        // Steps 5 to 7; the built-in control policy allows on every level of an RCP tree.
        let mut gates: Vec<&'static str> = Vec::new();
        if scp.iter().any(|level| self.allows(level).is_none()) {
            gates.push("scp");
        }
        if endpoint
            .as_ref()
            .is_some_and(|list| self.allows(list).is_none())
        {
            gates.push("endpoint");
        }
        // Step 8.
        let r = self.allows(&resource);
        let (rd, rl, rg) = (
            r == Some(Kind::Direct),
            r == Some(Kind::Limited),
            r == Some(Kind::Delegating),
        );
        let i = self.allows(&identity).is_some();
        let b = boundary
            .as_ref()
            .is_none_or(|list| self.allows(list).is_some());
        let s = match &session {
            Some(list) => self.allows(list).is_some(),
            None => !matches!(self.who, Who::Federated { .. }),
        };
        let same = owner.is_some() && owner == self.who.account();
        // Step 9, and the path of RSN-5.
        let mut failing: Vec<&'static str> = Vec::new();
        let mut fails = |name: &'static str, failed: bool| {
            if failed {
                failing.push(name);
            }
        };
        let (granted, by) = match &self.who {
            Who::Anonymous | Who::Service(_) | Who::Provider(_) => {
                fails(resource_name, !rd);
                (rd, "resource")
            }
            Who::Root { .. } if same && !is_trust && !is_key => {
                fails("session", !s);
                (s, "identity")
            }
            Who::Root { .. } => {
                fails(resource_name, !rd);
                fails("session", !s);
                (rd && s, if same { "resource" } else { "identity" })
            }
            _ if !same => {
                fails(resource_name, r.is_none());
                fails("identity", !i);
                fails("boundary", !b);
                fails("session", !s);
                (r.is_some() && i && b && s, "identity")
            }
            _ if is_trust || is_key => {
                let by_resource = (rd && is_key) || ((rl || (rd && is_trust)) && b && s);
                let granted = by_resource || (rg && i && b && s);
                if !(rl || (rd && is_trust)) {
                    fails(resource_name, r.is_none());
                    fails("identity", !i);
                }
                fails("boundary", !b);
                fails("session", !s);
                (granted, if by_resource { "resource" } else { "identity" })
            }
            _ => {
                let by_identity = i && b && s;
                let granted = rd || (rl && b && s) || by_identity;
                if !rl {
                    fails("identity", !i);
                }
                fails("boundary", !b);
                fails("session", !s);
                (granted, if by_identity { "identity" } else { "resource" })
            }
        };
        if denying.is_empty() && gates.is_empty() && granted {
            return allow(by);
        }
        let reason = if denying.is_empty() {
            "implicit_deny"
        } else {
            "explicit_deny"
        };
        let mut layers = denying;
        layers.extend(gates);
        if !granted {
            layers.extend(failing);
        }
        let mut seen = Vec::new();
        layers.retain(|layer| {
            let new = !seen.contains(layer);
            seen.push(*layer);
            new
        });
        Verdict {
            decision: "Deny",
            reason,
            layer: layers.first().copied(),
            layers,
        }
    }

    fn statements(document: &Value) -> Vec<&Value> {
        match &document["Statement"] {
            Value::Array(items) => items.iter().collect(),
            one => vec![one],
        }
    }

    fn denies(&self, document: &Value) -> bool {
        Self::statements(document)
            .into_iter()
            .filter(|statement| statement["Effect"] == "Deny")
            .any(|statement| {
                self.matches(document, statement)
                    .is_some_and(|(_, truth)| truth != No)
            })
    }

    /// The strongest kind of a matching Allow.
    fn allows(&self, documents: &[&Value]) -> Option<Kind> {
        let mut kinds = Vec::new();
        for document in documents {
            for statement in Self::statements(document) {
                if statement["Effect"] == "Allow"
                    && let Some((kind, Yes)) = self.matches(document, statement)
                {
                    kinds.push(kind);
                }
            }
        }
        kinds.into_iter().max()
    }

    fn matches(&self, document: &Value, statement: &Value) -> Option<(Kind, T)> {
        let variables = document["Version"] == "2012-10-17";
        let kind = self.principal(statement)?;
        let action = self.action(statement);
        let resource = self.resource_element(statement, variables);
        let condition = self.condition(statement, variables);
        Some((kind, all([action, resource, condition])))
    }

    fn action(&self, statement: &Value) -> T {
        let matches = |entry: &String| {
            let entry = entry.to_ascii_lowercase();
            if entry == "*" || entry == "*:*" {
                return true;
            }
            let (prefix, name) = entry.split_once(':').unwrap();
            let (own_prefix, own_name) = self.action.split_once(':').unwrap();
            prefix == own_prefix && glob(&pattern(name), own_name)
        };
        match (&statement["Action"], &statement["NotAction"]) {
            (Value::Null, listed) => (!texts(listed).iter().any(matches)).into(),
            (listed, _) => texts(listed).iter().any(matches).into(),
        }
    }

    fn is_forwarded(&self) -> bool {
        let told = self
            .context
            .get("aws:viaawsservice")
            .and_then(Option::as_ref);
        told.is_some_and(|values| values.iter().any(|value| value == "true"))
    }

    fn resource_element(&self, statement: &Value, variables: bool) -> T {
        let (listed, negated) = match (&statement["Resource"], &statement["NotResource"]) {
            (Value::Null, Value::Null) => return Yes,
            (Value::Null, listed) => (listed, true),
            (listed, _) => (listed, false),
        };
        let matched = any(texts(listed)
            .iter()
            .map(|entry| self.resource_entry(entry, variables, negated)));
        if negated { not(matched) } else { matched }
    }

    fn resource_entry(&self, entry: &str, variables: bool, negated: bool) -> T {
        if entry.chars().all(|c| c == '*') {
            return Yes;
        }
        if self.resource == "*" {
            return No;
        }
        let patterns: Vec<&str> = split_outside_variables(entry);
        let parts: Vec<&str> = self.resource.splitn(6, ':').collect();
        let mut head = patterns.iter().zip(&parts).take(5);
        let head = head.all(|(text, part)| glob(&pattern(text), part));
        match self.expand(patterns[5], variables, true) {
            Ok(tokens) => (head && glob(&tokens, parts[5])).into(),
            Err(Hole::Undetermined) => Maybe,
            // RES-9.
            Err(Hole::Unresolved) => {
                if negated {
                    Maybe
                } else {
                    No
                }
            }
        }
    }

    fn principal(&self, statement: &Value) -> Option<Kind> {
        if !statement["NotPrincipal"].is_null() {
            let entries = principal_entries(&statement["NotPrincipal"]);
            return (!self.exempt(&entries)).then_some(Kind::Direct);
        }
        if statement["Principal"].is_null() {
            return Some(Kind::Direct);
        }
        let deny = statement["Effect"] == "Deny";
        let entries = principal_entries(&statement["Principal"]);
        let sure = entries
            .iter()
            .filter_map(|(member, text)| self.entry(member, text))
            .max();
        // A federated user whose issuer is not recorded may be any user's of the account.
        let doubtful = matches!(&self.who, Who::Federated { account, .. } if deny
            && entries.iter().any(|(_, text)| text.contains(&format!("::{account}:user/"))));
        sure.or(doubtful.then_some(Kind::Delegating))
    }

    fn entry(&self, member: &str, text: &str) -> Option<Kind> {
        if text == "*" {
            return Some(Kind::Direct);
        }
        let of_account =
            |account: &str| text == account || text == format!("arn:aws:iam::{account}:root");
        let direct = |matches: bool| matches.then_some(Kind::Direct);
        match (&self.who, member) {
            (Who::Root { account }, "AWS") => direct(of_account(account)),
            (Who::User { arn, account } | Who::Federated { arn, account }, "AWS") => {
                direct(text == arn).or(of_account(account).then_some(Kind::Delegating))
            }
            (Who::Session { role, arn, account }, "AWS") => direct(text == arn)
                .or((text == role).then_some(Kind::Limited))
                .or(of_account(account).then_some(Kind::Delegating)),
            (Who::Service(name), "Service") => direct(text == name),
            (Who::Provider(arn), "Federated") => direct(text == arn),
            _ => None,
        }
    }

    /// PM-7 and PM-8.
    fn exempt(&self, entries: &[(String, String)]) -> bool {
        let listed = |wanted: &str| entries.iter().any(|(_, text)| text == wanted);
        let account =
            |account: &str| listed(account) || listed(&format!("arn:aws:iam::{account}:root"));
        if self.bounded {
            return false;
        }
        match &self.who {
            Who::Root { account: id } => account(id),
            Who::User { arn, account: id } => listed(arn) && account(id),
            Who::Session {
                role,
                arn,
                account: id,
            } => listed(arn) && listed(role) && account(id),
            Who::Service(name) => listed(name),
            Who::Provider(arn) => listed(arn),
            // Whoever issued it is not recorded here, so the chain is never whole.
            Who::Federated { .. } | Who::Anonymous => false,
        }
    }

    fn condition(&self, statement: &Value, variables: bool) -> T {
        let Some(operators) = statement["Condition"].as_object() else {
            return Yes;
        };
        all(operators.iter().flat_map(|(operator, keys)| {
            keys.as_object()
                .unwrap()
                .iter()
                .map(move |(key, values)| self.test(operator, key, &texts(values), variables))
        }))
    }

    /// COND-6 with SET-1, SET-7, KEY-4 and CTX-6.
    fn test(&self, operator: &str, key: &str, policy: &[String], variables: bool) -> T {
        let operator = operator.to_ascii_lowercase();
        let (set, base) = match operator.split_once(':') {
            Some((set, base)) => (Some(set), base),
            None => (None, operator.as_str()),
        };
        let (base, if_exists) = match base.strip_suffix("ifexists") {
            Some(base) => (base, true),
            None => (base, false),
        };
        let key = key.to_ascii_lowercase();
        let values = match self.context.get(&key) {
            Some(None) => return Maybe,
            Some(Some(values)) => values.clone(),
            None => vec![],
        };
        let is_set = ["aws:tagkeys", "aws:principalorgpaths"].contains(&key.as_str());
        let is_single = key.starts_with("aws:") && !is_set;
        if is_single && values.len() > 1 {
            return Maybe;
        }
        let empty = !values.is_empty() && values.iter().all(String::is_empty);
        if base == "null" {
            let asks = |wanted: &str| {
                policy
                    .iter()
                    .any(|value| value.eq_ignore_ascii_case(wanted))
            };
            if asks("true") && asks("false") {
                return Yes;
            }
            if empty {
                return Maybe;
            }
            return (values.is_empty() == asks("true")).into();
        }
        if let (Some(set), []) = (set, policy) {
            // DOC-9
            return (set == "forallvalues" && values.is_empty()).into();
        }
        let negated = base.contains("not");
        let each = |value: &String| {
            let positive = any(policy
                .iter()
                .map(|p| self.meets(base, p, value, negated, variables)));
            if negated { not(positive) } else { positive }
        };
        match set {
            None if is_set => Maybe,
            None => match values.as_slice() {
                [] => (negated || if_exists).into(),
                [value] => each(value),
                _ => Maybe,
            },
            Some("forallvalues") => {
                let ordinary = all(values.iter().map(each));
                if empty && ordinary != Yes {
                    Maybe
                } else {
                    ordinary
                }
            }
            Some(_) if values.is_empty() => {
                if if_exists {
                    Maybe
                } else {
                    No
                }
            }
            Some(_) => {
                let ordinary = any(values.iter().map(each));
                if empty && ordinary != No {
                    Maybe
                } else {
                    ordinary
                }
            }
        }
    }

    /// The positive test of one policy value and one request value.
    fn meets(&self, base: &str, policy: &str, value: &str, negated: bool, variables: bool) -> T {
        let hole = |hole| match hole {
            Hole::Undetermined => Maybe,
            // VAR-8.
            Hole::Unresolved => {
                if negated {
                    Maybe
                } else {
                    No
                }
            }
        };
        let order = |ordering: Option<std::cmp::Ordering>| match ordering {
            None => Maybe,
            Some(ordering) => {
                let name = base
                    .trim_start_matches("numeric")
                    .trim_start_matches("date");
                match name {
                    "equals" | "notequals" => ordering.is_eq(),
                    "lessthan" => ordering.is_lt(),
                    "lessthanequals" => ordering.is_le(),
                    "greaterthan" => ordering.is_gt(),
                    _ => ordering.is_ge(),
                }
                .into()
            }
        };
        match base {
            "stringequals" | "stringnotequals" => match self.expand(policy, variables, false) {
                Ok(tokens) => (tokens == value.chars().map(Token::Is).collect::<Vec<_>>()).into(),
                Err(found) => hole(found),
            },
            "stringequalsignorecase" | "stringnotequalsignorecase" => {
                let fold = |c: char| c.to_lowercase().next().unwrap();
                match self.expand(policy, variables, false) {
                    Ok(tokens) => {
                        let folded: Vec<Token> = tokens
                            .into_iter()
                            .map(|token| match token {
                                Token::Is(c) => Token::Is(fold(c)),
                                other => other,
                            })
                            .collect();
                        let value: Vec<Token> = value.chars().map(fold).map(Token::Is).collect();
                        (folded == value).into()
                    }
                    Err(found) => hole(found),
                }
            }
            "stringlike" | "stringnotlike" => match self.expand(policy, variables, true) {
                Ok(tokens) => glob(&tokens, value).into(),
                Err(found) => hole(found),
            },
            "arnequals" | "arnlike" | "arnnotequals" | "arnnotlike" => {
                let parts: Vec<&str> = value.splitn(6, ':').collect();
                if parts.len() < 6 || parts[0] != "arn" || parts[5].is_empty() {
                    return Maybe;
                }
                match self.expand(policy, variables, true) {
                    Err(found) => hole(found),
                    Ok(tokens) => {
                        let pieces = split_tokens(&tokens);
                        if pieces.len() < 6 {
                            return Maybe;
                        }
                        pieces
                            .iter()
                            .zip(&parts)
                            .all(|(piece, part)| glob(piece, part))
                            .into()
                    }
                }
            }
            "bool" => match value.to_ascii_lowercase().as_str() {
                text @ ("true" | "false") => policy.eq_ignore_ascii_case(text).into(),
                _ => Maybe,
            },
            "binaryequals" => {
                use base64::Engine as _;
                let decode =
                    |text: &str| base64::engine::general_purpose::STANDARD.decode(text).ok();
                match decode(value) {
                    Some(bytes) => (decode(policy) == Some(bytes)).into(),
                    None => Maybe,
                }
            }
            "ipaddress" | "notipaddress" => match value.parse::<IpAddr>() {
                Ok(address) => in_range(policy, address.to_canonical()).into(),
                Err(_) => Maybe,
            },
            base if base.starts_with("numeric") => {
                order(decimal(value).and_then(|value| Some(value.cmp(&decimal(policy)?))))
            }
            _ => order(instant(value).and_then(|value| Some(value.cmp(&instant(policy)?)))),
        }
    }

    /// A policy text as tokens, with variables put in as they are (VAR-6).
    fn expand(&self, text: &str, variables: bool, wild: bool) -> Result<Vec<Token>, Hole> {
        let mut tokens = Vec::new();
        let mut unresolved = false;
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if variables && let Some(inside) = rest.strip_prefix("${") {
                let (name, behind) = inside.split_once('}').unwrap();
                rest = behind;
                if let "*" | "?" | "$" = name {
                    tokens.push(Token::Is(name.chars().next().unwrap()));
                    continue;
                }
                let (name, default) = match name.split_once(',') {
                    Some((name, default)) => (name, Some(default.trim().trim_matches('\''))),
                    None => (name, None),
                };
                let value = match self.context.get(&name.to_ascii_lowercase()) {
                    Some(None) => return Err(Hole::Undetermined),
                    Some(Some(values)) if values.len() > 1 => return Err(Hole::Undetermined),
                    Some(Some(values)) if !values[0].is_empty() => Some(values[0].as_str()),
                    _ => default,
                };
                match value {
                    Some(value) => tokens.extend(value.chars().map(Token::Is)),
                    None => unresolved = true,
                }
                continue;
            }
            tokens.push(match c {
                '*' if wild => Token::Many,
                '?' if wild => Token::One,
                c => Token::Is(c),
            });
            rest = &rest[c.len_utf8()..];
        }
        if unresolved {
            Err(Hole::Unresolved)
        } else {
            Ok(tokens)
        }
    }
}

enum Hole {
    Unresolved,
    Undetermined,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Is(char),
    One,
    Many,
}

fn pattern(text: &str) -> Vec<Token> {
    let token = |c| match c {
        '*' => Token::Many,
        '?' => Token::One,
        c => Token::Is(c),
    };
    text.chars().map(token).collect()
}

/// GLOB-1, by the table of all prefixes.
fn glob(tokens: &[Token], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for token in tokens {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            if !reached[at] {
                continue;
            }
            match token {
                Token::Many => next[at..].fill(true),
                Token::One if at < text.len() => next[at + 1] = true,
                Token::Is(c) if text.get(at) == Some(c) => next[at + 1] = true,
                Token::One | Token::Is(_) => {}
            }
        }
        reached = next;
    }
    reached[text.len()]
}

/// The six components of an ARN pattern; colons inside `${…}` separate nothing (ARN-2).
fn split_outside_variables(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ':' if depth == 0 && parts.len() < 5 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn split_tokens(tokens: &[Token]) -> Vec<Vec<Token>> {
    let mut pieces = vec![Vec::new()];
    for token in tokens {
        if *token == Token::Is(':') && pieces.len() < 6 {
            pieces.push(Vec::new());
        } else {
            pieces.last_mut().unwrap().push(*token);
        }
    }
    pieces
}

fn principal_entries(element: &Value) -> Vec<(String, String)> {
    match element {
        Value::Object(members) => members
            .iter()
            .flat_map(|(member, value)| texts(value).into_iter().map(|text| (member.clone(), text)))
            .collect(),
        value => texts(value)
            .into_iter()
            .map(|text| ("AWS".to_owned(), text))
            .collect(),
    }
}

/// An exact number: sign, and digits scaled to 40 places.
fn decimal(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole) || !plain(fraction) || fraction.len() > 20 || whole.len() > 15 {
        return None;
    }
    let scaled: String = format!("{whole}{fraction:0<20}");
    Some(sign * scaled.parse::<i128>().ok()?)
}

/// Seconds since 1970 of `YYYY-MM-DD[Thh:mm:ss(Z|±hh:mm)]`, or of a number of seconds.
fn instant(text: &str) -> Option<i64> {
    if text.bytes().all(|b| b.is_ascii_digit()) && text.len() != 4 {
        return text.parse().ok();
    }
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    if text.as_bytes()[4] != b'-' || text.as_bytes()[7] != b'-' {
        return None;
    }
    // Days by counting: years, then months, then days.
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let mut days = 0;
    for y in 1970..year {
        days += if leap(y) { 366 } else { 365 };
    }
    let lengths = [
        31,
        if leap(year) { 29 } else { 28 },
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    days += lengths
        .iter()
        .take(usize::try_from(month - 1).ok()?)
        .sum::<i64>();
    days += day - 1;
    let midnight = days * 86_400;
    if text.len() == 10 {
        return Some(midnight);
    }
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let zone = match text.get(19..)? {
        "Z" => 0,
        zone => {
            let sign = if zone.starts_with('-') { -1 } else { 1 };
            let hours: i64 = zone.get(1..3)?.parse().ok()?;
            let minutes: i64 = zone.get(4..6)?.parse().ok()?;
            sign * (hours * 3_600 + minutes * 60)
        }
    };
    Some(midnight + hour * 3_600 + minute * 60 + second - zone)
}

/// OP-14 to OP-16, bit by bit.
fn in_range(range: &str, address: IpAddr) -> bool {
    let (base, length) = range.split_once('/').unwrap_or((range, ""));
    let bits = |address: IpAddr| -> Vec<bool> {
        let bytes = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        bytes
            .iter()
            .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1))
            .collect()
    };
    let base = bits(base.parse().unwrap());
    let address = bits(address);
    let length = length.parse().unwrap_or(base.len());
    base.len() == address.len() && base[..length] == address[..length]
}
