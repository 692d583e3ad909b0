//! Callers: the sender of a request, and the data that the sender may access.

use crate::{
    CustomerId, OperatorId, PartnerId, Refusal, RiderId, StoreId, actor::Actor, scope::Scopes,
};
use std::fmt;

/// The role of a caller: the claim `role` of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// May access its own points and orders.
    Customer,
    /// May access the orders of its store.
    Store,
    /// May access the orders that it delivers.
    Rider,
    /// Another system. May call the integration routes, as far as its scopes allow.
    Partner,
    /// May access everything.
    Operator,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 5] =
        [Self::Customer, Self::Store, Self::Rider, Self::Partner, Self::Operator];

    /// The value of the claim `role`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Store => "store",
            Self::Rider => "rider",
            Self::Partner => "partner",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The sender of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// An unidentified caller: the route is public, or the token has no claims that we know.
    Anyone,
    /// A customer.
    Customer(CustomerId),
    /// An employee of a store.
    Store(StoreId),
    /// A rider.
    Rider(RiderId),
    /// Another system, with what its token allows.
    Partner(PartnerId, Scopes),
    /// A person who operates the platform.
    Operator(OperatorId),
}

impl Caller {
    /// The caller's role. `None` for [`Caller::Anyone`].
    pub const fn role(&self) -> Option<Role> {
        match self {
            Self::Anyone => None,
            Self::Customer(_) => Some(Role::Customer),
            Self::Store(_) => Some(Role::Store),
            Self::Rider(_) => Some(Role::Rider),
            Self::Partner(..) => Some(Role::Partner),
            Self::Operator(_) => Some(Role::Operator),
        }
    }

    /// Whether the caller is an operator.
    pub const fn is_operator(&self) -> bool {
        matches!(self, Self::Operator(_))
    }

    /// Refuses every caller except this customer and operators. The check needs no data, so it runs
    /// before any data is read.
    pub fn must_be(&self, customer: &CustomerId) -> Result<(), Refusal> {
        self.must(matches!(self, Self::Customer(id) if id == customer))
    }

    /// Refuses every caller except this store's employees and operators. The check needs no data,
    /// so it runs before any data is read.
    pub fn must_be_at(&self, store: &StoreId) -> Result<(), Refusal> {
        self.must(matches!(self, Self::Store(id) if id == store))
    }

    fn must(&self, is_owner: bool) -> Result<(), Refusal> {
        if is_owner || self.is_operator() { Ok(()) } else { Err(Refusal::Forbidden) }
    }

    /// The actor that stands for the caller wherever a change is recorded. Only public routes have
    /// unidentified callers; they change nothing.
    pub fn actor(&self) -> Actor {
        match self {
            Self::Customer(id) => Actor::Customer(id.clone()),
            Self::Store(id) => Actor::Store(id.clone()),
            Self::Rider(id) => Actor::Rider(id.clone()),
            Self::Partner(id, _) => Actor::Partner(id.clone()),
            Self::Operator(id) => Actor::Operator(Some(id.clone())),
            Self::Anyone => Actor::System,
        }
    }

    /// Whom the caller's idempotency keys belong to. Operators share theirs: each of those belongs
    /// to one resource, so that another operator may repeat a request.
    pub fn key_owner(&self) -> String {
        match self {
            Self::Operator(_) => "operator".to_owned(),
            Self::Anyone
            | Self::Customer(_)
            | Self::Store(_)
            | Self::Rider(_)
            | Self::Partner(..) => self.actor().to_string(),
        }
    }
}
