//! The Lambda function `get-charge`.

fn main() -> Result<(), edge::Error> {
    edge::run(&points::get_charge::function())
}
