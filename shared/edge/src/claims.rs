//! Claims of the token, which API Gateway's authorizer has verified.

use domain::{Caller, CustomerId, RiderId, Role, StoreId};
use serde_json::Value;

/// The caller that the claims `role`, `sub` and `storeId` name.
pub(crate) fn caller(claims: &Value) -> Caller {
    let claim = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let role = Role::ALL.into_iter().find(|role| role.as_str() == claim("role"));
    let caller = role.and_then(|role| match role {
        Role::Customer => CustomerId::parse(claim("sub")).ok().map(Caller::Customer),
        Role::Store => StoreId::parse(claim("storeId")).ok().map(Caller::Store),
        Role::Rider => RiderId::parse(claim("sub")).ok().map(Caller::Rider),
        Role::Partner => Some(Caller::Partner),
        Role::Operator => Some(Caller::Operator),
    });
    caller.unwrap_or(Caller::Anyone)
}
