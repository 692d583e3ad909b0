//! Claims of the token, which API Gateway's authorizer has verified.

use domain::{Caller, CustomerId, OperatorId, PartnerId, RiderId, Role, StoreId, scope::Scopes};
use lambda_http::RequestExt;
use std::collections::HashMap;

/// The caller that the claims `role`, `sub`, `storeId` and `scope` name. Only a JWT authorizer of a
/// HTTP API gives claims: anybody else is [`Caller::Anyone`].
pub(crate) fn caller(http: &lambda_http::Request) -> Caller {
    let authorizer = http.request_context_ref().and_then(|context| context.authorizer());
    let claims = authorizer.and_then(|authorizer| Some(&authorizer.jwt.as_ref()?.claims));
    claims.map_or(Caller::Anyone, named)
}

fn named(claims: &HashMap<String, String>) -> Caller {
    let claim = |name: &str| claims.get(name).map(String::as_str).unwrap_or_default();
    let role = Role::ALL.into_iter().find(|role| role.as_str() == claim("role"));
    let caller = role.and_then(|role| match role {
        Role::Customer => CustomerId::parse(claim("sub")).ok().map(Caller::Customer),
        Role::Store => StoreId::parse(claim("storeId")).ok().map(Caller::Store),
        Role::Rider => RiderId::parse(claim("sub")).ok().map(Caller::Rider),
        Role::Partner => {
            let scopes = Scopes::of_claim(claim("scope"));
            PartnerId::parse(claim("sub")).ok().map(|id| Caller::Partner(id, scopes))
        }
        Role::Operator => OperatorId::parse(claim("sub")).ok().map(Caller::Operator),
    });
    caller.unwrap_or(Caller::Anyone)
}
