//! Coupons, and the sources that issue them.

use crate::{
    Coupons, Item, Page, PageRequest, Write,
    item::{number, read, row, text, whole},
    keys,
    read::Query,
};
use domain::{
    CouponId, CouponSourceId, CustomerId, Fault, OrderId, Timestamp,
    coupon::{Coupon, CouponSource},
};

/// A coupon source, with the version of its terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSource {
    /// The coupon source.
    pub source: CouponSource,
    /// 1 for the first terms, incremented by each change.
    pub version: i64,
}

/// A coupon, with the hash of the idempotency key of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCoupon {
    /// The coupon.
    pub coupon: Coupon,
    /// The hash. `None` if the request had no idempotency key.
    pub key_hash: Option<String>,
}

/// The attributes of a discount, of either kind.
const DISCOUNT: [&str; 3] = ["discountAmount", "discountRate", "maxDiscountAmount"];

fn issued_coupon_in(item: Item) -> Result<IssuedCoupon, Fault> {
    let key_hash = item.get("keyHash").and_then(|hash| hash.as_s().ok()).cloned();
    Ok(IssuedCoupon { coupon: read(item)?, key_hash })
}

impl Coupons<'_> {
    /// Reads a coupon source.
    pub async fn source(self, id: &CouponSourceId) -> Result<Option<StoredSource>, Fault> {
        let row = self.0.get(&self.0.tables.customers, &keys::coupon_source(id)).await?;
        row.map(|row| Ok(StoredSource { version: whole(&row, "version")?, source: read(row)? }))
            .transpose()
    }

    /// Writes the terms of a source, if they are unchanged since `seen_version` (0: the source does
    /// not exist yet) and the new quantity covers the coupons already issued. The counter of issued
    /// coupons is left as it is, because coupons may be issued at the same time.
    pub fn put_source(self, source: &CouponSource, seen_version: i64) -> Result<Write, Fault> {
        let key = keys::coupon_source(&source.source_id);
        let mut terms: Item = serde_dynamo::to_item(source).map_err(Fault::broken)?;
        terms.insert("version".into(), number(seen_version + 1));
        if seen_version == 0 {
            terms.extend(key.item());
            return Ok(Write::put(&self.0.tables.customers, terms).when_new());
        }
        terms.remove("issued");
        let mut names: Vec<String> = terms.keys().cloned().collect();
        names.sort_unstable();
        let set =
            names.iter().map(|name| format!("#{name} = :{name}")).collect::<Vec<_>>().join(", ");
        // A discount has only one of the two kinds, so the attributes of the other are removed.
        let removed: Vec<&str> =
            DISCOUNT.into_iter().filter(|name| !terms.contains_key(*name)).collect();
        let update = Write::update(
            &self.0.tables.customers,
            key,
            &format!("SET {set} REMOVE {}", removed.join(", ")),
        );
        let update = update
            .when("version = :seen AND issued <= :quantity")
            .value(":seen", number(seen_version));
        Ok(terms.into_iter().fold(update, |update, (name, value)| {
            update.name(&format!("#{name}"), &name).value(&format!(":{name}"), value)
        }))
    }

    /// Reads a source and the coupon that the customer already has from it, in one batch.
    pub async fn read_for_issue(
        self,
        source: &CouponSourceId,
        customer: &CustomerId,
    ) -> Result<(Option<StoredSource>, Option<IssuedCoupon>), Fault> {
        let table = self.0.tables.customers.as_str();
        let keys =
            (keys::coupon_source(source), keys::coupon(customer, &CouponId::of(source, customer)));
        let mut found =
            self.0.batch_get([(table, keys.0.clone()), (table, keys.1.clone())]).await?;
        let source = found.take(&keys.0).map(|row| -> Result<_, Fault> {
            Ok(StoredSource { version: whole(&row, "version")?, source: read(row)? })
        });
        Ok((source.transpose()?, found.take(&keys.1).map(issued_coupon_in).transpose()?))
    }

    /// Counts one issued coupon, if the terms are unchanged since they were read and coupons are
    /// left.
    pub fn count_issued(self, seen: &StoredSource) -> Write {
        let key = keys::coupon_source(&seen.source.source_id);
        Write::update(&self.0.tables.customers, key, "SET issued = issued + :one")
            .when("version = :seen AND issued < quantity")
            .value(":one", number(1))
            .value(":seen", number(seen.version))
    }

    /// Writes a customer's coupon, if the customer has none from this source yet.
    pub fn put(self, customer: &CustomerId, issued: &IssuedCoupon) -> Result<Write, Fault> {
        let mut item = row(&keys::coupon(customer, &issued.coupon.coupon_id), &issued.coupon)?;
        if let Some(hash) = &issued.key_hash {
            item.insert("keyHash".into(), text(hash));
        }
        Ok(Write::put(&self.0.tables.customers, item).when_new())
    }

    /// Marks a coupon as used by an order, if it is unused and not expired.
    pub fn mark_used(
        self,
        customer: &CustomerId,
        coupon: &CouponId,
        order: &OrderId,
        now: Timestamp,
    ) -> Write {
        Write::update(
            &self.0.tables.customers,
            keys::coupon(customer, coupon),
            "SET usedBy = :order, usedAt = :now",
        )
        .when("attribute_exists(pk) AND attribute_not_exists(usedBy) AND expiresAt > :now")
        .value(":order", text(order))
        .value(":now", text(now))
    }

    /// Returns a coupon that an order used to its owner. If it has expired in the meantime, it
    /// stays expired.
    pub(crate) fn mark_unused(
        self,
        customer: &CustomerId,
        coupon: &CouponId,
        order: &OrderId,
    ) -> Write {
        Write::update(
            &self.0.tables.customers,
            keys::coupon(customer, coupon),
            "REMOVE usedBy, usedAt",
        )
        .when("usedBy = :order")
        .value(":order", text(order))
    }

    /// A page of a customer's coupons, by coupon id. `Page::next` is the id of the last coupon.
    pub async fn list(
        self,
        customer: &CustomerId,
        page: &PageRequest,
    ) -> Result<Page<Coupon>, Fault> {
        let pk = keys::customer(customer);
        let query = Query {
            table: &self.0.tables.customers,
            pk: &pk,
            prefix: keys::COUPON,
            newest_first: false,
        };
        let after = page.after.as_ref().map(|coupon| format!("{}{coupon}", keys::COUPON));
        let rows = self.0.query(&query, &PageRequest { after, ..*page }).await?;
        let next = rows.next.map(|sk| sk.trim_start_matches(keys::COUPON).to_owned());
        Ok(Page { entries: rows.entries.into_iter().map(read).collect::<Result<_, _>>()?, next })
    }
}
