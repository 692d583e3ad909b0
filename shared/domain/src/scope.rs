//! Scopes: what a partner's token allows.

use crate::SourceId;

/// A scope of a partner's token.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    /// To read every order, without the personal data in it.
    ReadOrders,
    /// To read every order, with the personal data in it: `delivery`.
    ReadPersonalData,
    /// To write and read the orders of this source.
    CollectOrders(SourceId),
    /// To read campaigns: their orders and statistics.
    ReadCampaigns,
}

/// What a route needs of a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// To read every order.
    ReadOrders,
    /// To collect the orders of the source in the route's path, or of any source if the path has
    /// none.
    CollectOrders,
    /// To read campaigns.
    ReadCampaigns,
}

impl Permission {
    /// The scopes that give the permission, as the API document names them.
    pub const fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::ReadOrders => &["orders.read", "orders.personal"],
            Self::CollectOrders => &["orders.collect:{source}"],
            Self::ReadCampaigns => &["campaigns.read"],
        }
    }
}

/// The scopes of a partner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// The scopes of the claim `scope`, separated by spaces (RFC 8693, section 4.2). Scopes that
    /// are not ours are ignored: a token may be for several systems.
    pub fn of_claim(claim: &str) -> Self {
        Self(claim.split(' ').filter_map(scope).collect())
    }

    /// Whether they give a permission. `source` is the source in the route's path.
    pub fn permit(&self, permission: Permission, source: Option<&SourceId>) -> bool {
        self.0.iter().any(|scope| match (permission, scope) {
            (Permission::ReadOrders, Scope::ReadOrders | Scope::ReadPersonalData)
            | (Permission::ReadCampaigns, Scope::ReadCampaigns) => true,
            (Permission::CollectOrders, Scope::CollectOrders(own)) => {
                source.is_none_or(|source| source == own)
            }
            (
                Permission::ReadOrders | Permission::ReadCampaigns | Permission::CollectOrders,
                Scope::ReadOrders
                | Scope::ReadPersonalData
                | Scope::CollectOrders(_)
                | Scope::ReadCampaigns,
            ) => false,
        })
    }

    /// Whether they allow to read an order, which another system took if it has a `source`.
    pub fn may_read_order_of(&self, source: Option<&SourceId>) -> bool {
        self.permit(Permission::ReadOrders, None)
            || source.is_some_and(|_| self.permit(Permission::CollectOrders, source))
    }

    /// Whether they allow to read personal data.
    pub fn may_read_personal_data(&self) -> bool {
        self.0.contains(&Scope::ReadPersonalData)
    }
}

fn scope(text: &str) -> Option<Scope> {
    match text {
        "orders.read" => Some(Scope::ReadOrders),
        "orders.personal" => Some(Scope::ReadPersonalData),
        "campaigns.read" => Some(Scope::ReadCampaigns),
        _ => Some(Scope::CollectOrders(text.strip_prefix("orders.collect:")?.parse().ok()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_of_other_systems_are_ignored() {
        let scopes = Scopes::of_claim(
            "openid  orders.collect:mall orders.collect: orders.reads Orders.Read",
        );
        assert_eq!(scopes, Scopes(vec![Scope::CollectOrders(SourceId::parse("mall").unwrap())]));
        assert_eq!(Scopes::of_claim(""), Scopes::default());
    }

    #[test]
    fn a_permission_is_given_by_exactly_the_scopes_that_it_names() {
        let all = [Permission::ReadOrders, Permission::CollectOrders, Permission::ReadCampaigns];
        let source = SourceId::parse("mall").unwrap();
        for (of, name) in all.iter().flat_map(|of| of.scopes().iter().map(move |name| (of, name))) {
            let scopes = Scopes::of_claim(&name.replace("{source}", "mall"));
            for permission in all {
                let is_given = scopes.permit(permission, Some(&source));
                assert_eq!(is_given, permission == *of, "{permission:?} {name}");
            }
        }
    }

    #[test]
    fn a_source_is_collected_only_by_its_own_scope() {
        let scopes = Scopes::of_claim("orders.collect:mall");
        let source = |text| SourceId::parse(text).unwrap();
        let may = |source: Option<&SourceId>| scopes.permit(Permission::CollectOrders, source);
        assert!(may(Some(&source("mall"))) && may(None));
        assert!(!may(Some(&source("mall2"))) && !may(Some(&source("mal"))));
        assert!(scopes.may_read_order_of(Some(&source("mall"))));
        assert!(!scopes.may_read_order_of(Some(&source("shop"))));
        assert!(!scopes.may_read_order_of(None), "an own order has no source");
        assert!(!scopes.permit(Permission::ReadOrders, None) && !scopes.may_read_personal_data());
    }
}
