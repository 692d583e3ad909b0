//! The Lambda function `charge-points`.

fn main() -> Result<(), edge::Error> {
    edge::run(&points::charge_points::function())
}
