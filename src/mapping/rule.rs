//! The rules by which a table compiles, as findings name them; [`mapping`](super) lists them.

pub(super) const MATCHER: &str = "MAP-1";
pub(super) const VARIABLE_NAME: &str = "MAP-2";
pub(super) const SAME_CALLS: &str = "MAP-3";
pub(super) const CROSSING: &str = "MAP-4";
pub(super) const TEMPLATE: &str = "MAP-5";
pub(super) const UNFILLED: &str = "MAP-6";
pub(super) const MISPLACED: &str = "MAP-7";
pub(super) const RUN_TOGETHER: &str = "MAP-8";
pub(super) const RESOURCE_TYPE: &str = "MAP-9";
pub(super) const OWNER: &str = "MAP-10";
pub(super) const FOREIGN_KEY: &str = "MAP-11";
pub(super) const DERIVED_KEY: &str = "MAP-12";
pub(super) const SOURCE: &str = "MAP-13";
pub(super) const HOST: &str = "MAP-14";
pub(super) const ACTION: &str = "MAP-15";
pub(super) const KEY_TWICE: &str = "MAP-16";
pub(super) const SERVICE: &str = "MAP-17";
pub(super) const SHARED_HOST: &str = "MAP-18";
pub(super) const OPERATION: &str = "MAP-19";
