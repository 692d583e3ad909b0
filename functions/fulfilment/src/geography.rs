//! Distances on the Earth's surface, and the geohash cells that cover a circle.

#![expect(clippy::disallowed_types, reason = "distances on a sphere need trigonometry")]

use domain::{
    geohash::Cell,
    position::{Degrees, Position},
};
use std::f64::consts::{FRAC_PI_2, PI};

/// The mean radius of the Earth in meters (IUGG). With it, a distance is wrong by at most 1 in 200.
const EARTH_RADIUS_METERS: f64 = 6_371_008.8;

/// The precisions of the cells that are searched, coarsest first. The store supports none coarser
/// than 4.
const PRECISIONS: std::ops::RangeInclusive<u32> = 4..=6;

/// The most cells of a search, if a coarser precision makes that possible.
const MAX_CELLS: u64 = 9;

fn radians(degrees: Degrees) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "ten-millionths of 180° need 31 of 52 bits")]
    let e7 = degrees.e7() as f64;
    (e7 / 1e7).to_radians()
}

/// The length of the shortest path between two points on the surface, in whole meters (haversine
/// formula).
pub(crate) fn meters_between(a: Position, b: Position) -> u32 {
    let (a_lat, b_lat) = (radians(a.lat), radians(b.lat));
    let half = |angle: f64| (angle / 2.0).sin().powi(2);
    let chord =
        half(b_lat - a_lat) + a_lat.cos() * b_lat.cos() * half(radians(b.lng) - radians(a.lng));
    let meters = 2.0 * EARTH_RADIUS_METERS * chord.sqrt().min(1.0).asin();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "half the Earth's circumference is 20,015,114 m"
    )]
    let whole = meters.round() as u32;
    whole
}

/// Cells that together contain every point within `radius_meters` of `centre`: the cell of the
/// centre and its neighbours, in the finest precision that needs at most [`MAX_CELLS`].
pub(crate) fn cells_around(centre: Position, radius_meters: u32) -> Vec<Cell> {
    // One meter more, because distances are rounded.
    let reach = f64::from(radius_meters + 1) / EARTH_RADIUS_METERS;
    let lat = radians(centre.lat);
    // The extent of the circle to the east and to the west, in radians of longitude. It is larger
    // than the extent to the north and south, and half a turn if the circle contains a pole.
    let reach_east =
        if lat.abs() + reach < FRAC_PI_2 { (reach.sin() / lat.cos()).asin() } else { PI };
    let neighbours = |precision| {
        let cell = Cell::of(centre, precision);
        let rows = steps(reach, PI, cell.rows());
        let columns = steps(reach_east, 2.0 * PI, cell.columns());
        (cell, rows, columns)
    };
    let is_few =
        |(_, rows, columns): &(Cell, u64, u64)| (2 * rows + 1) * (2 * columns + 1) <= MAX_CELLS;
    let finest = PRECISIONS.rev().map(neighbours).find(is_few);
    let (cell, rows, columns) = finest.unwrap_or_else(|| neighbours(*PRECISIONS.start()));
    cell.with_neighbours(rows, columns)
}

/// The number of cells beyond the first one that an extent of `reach` radians can touch, where
/// `cells` cells cover `whole` radians.
fn steps(reach: f64, whole: f64, cells: u64) -> u64 {
    let cells = f64::from(u32::try_from(cells).unwrap_or(u32::MAX));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the result is at most the number of cells"
    )]
    let steps = (reach / whole * cells).ceil() as u64;
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(lat: &str, lng: &str) -> Position {
        Position { lat: lat.parse().unwrap(), lng: lng.parse().unwrap() }
    }

    #[test]
    fn distances_are_measured_on_the_globe() {
        let (city_hall, gangnam) = (at("37.5663", "126.9779"), at("37.4979", "127.0276"));
        for (a, b, meters) in [
            (city_hall, city_hall, 0),
            (city_hall, gangnam, 8_778),
            (at("0", "179.9995"), at("0", "-179.9995"), 111),
            (at("0", "0"), at("0", "180"), 20_015_114),
            (at("90", "0"), at("-90", "0"), 20_015_114),
            (at("90", "0"), at("90", "123.4"), 0),
        ] {
            assert_eq!(
                (meters_between(a, b), meters_between(b, a)),
                (meters, meters),
                "{a:?} {b:?}"
            );
        }
    }

    /// Ten-millionths of a degree, from -`most` to `most` degrees. A quarter of the values lie at
    /// or next to a border of the cells, 4,096 of which cover `whole` degrees.
    fn degrees(most: i64, whole: i64) -> impl Strategy<Value = i64> {
        let most = most * 10_000_000;
        let border = (-2048i64..=2048, -1i64..=1).prop_map(move |(cell, beside)| {
            (cell * whole * 10_000_000 / 4096 + beside).clamp(-most, most)
        });
        prop_oneof![3 => -most..=most, 1 => border]
    }

    fn text(e7: i64) -> Degrees {
        let sign = if e7 < 0 { "-" } else { "" };
        format!("{sign}{}.{:07}", e7.abs() / 10_000_000, e7.abs() % 10_000_000).parse().unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn a_point_within_the_radius_is_in_the_cells(
            lat in degrees(85, 180), lng in degrees(180, 360), radius in 1u32..20_000, north in -300_000i64..300_000, east in -9_000_000i64..9_000_000,
        ) {
            let centre = Position { lat: text(lat), lng: text(lng) };
            let lng_e7 = (lng + east * i64::from(radius) / 20_000 + 1_800_000_000).rem_euclid(3_600_000_000) - 1_800_000_000;
            let other = Position { lat: text((lat + north).clamp(-900_000_000, 900_000_000)), lng: text(lng_e7) };
            let cells = cells_around(centre, radius);
            if meters_between(centre, other) <= radius {
                let found = cells.iter().any(|cell| {
                    let precision = u32::try_from(cell.to_string().len()).unwrap();
                    Cell::of(other, precision) == *cell
                });
                prop_assert!(found, "{other:?} within {radius} m of {centre:?}");
            }
            let mut once = cells.clone();
            once.sort_unstable();
            once.dedup();
            prop_assert_eq!(once.len(), cells.len(), "no cell occurs twice");
            let most = if lat.abs() <= 600_000_000 && radius <= 19_000 { 9 } else { 65 };
            prop_assert!(cells.len() <= most, "{} cells", cells.len());
        }
    }
}
