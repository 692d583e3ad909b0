//! The Lambda function `top-sellers`.

fn main() -> Result<(), edge::Error> {
    edge::run(&rankings::top_sellers::function())
}
