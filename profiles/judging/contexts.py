"""English contexts a steered answer has to leave: short paragraphs written for this project."""

PARAGRAPHS = (
    (
        "The bakery on the corner opens before sunrise. By seven the street smells of warm "
        "bread, and people wait in a short line with coins in their hands. Most of them know "
        "each other."
    ),
    (
        "A good garden needs patience more than money. Turn the soil in early spring, remove "
        "the stones, and give young plants enough water until their roots have found their "
        "way down."
    ),
    (
        "The night train was late again. Some passengers slept on their bags, others walked "
        "up and down the platform and looked at the clock, as if that could bring the engine "
        "any sooner."
    ),
    (
        "Doctors advise everyone to move a little every day. A walk of half an hour lowers "
        "the blood pressure, lifts the mood and helps you to sleep, and it costs nothing at "
        "all."
    ),
    (
        "When the committee met on Monday, nobody expected a quick decision. The plan for the "
        "new bridge was expensive, and the people on both banks of the river had different "
        "wishes."
    ),
    (
        "Whales sing to each other across great distances. Their songs change slowly from "
        "year to year, and scientists still argue about what the animals are trying to say."
    ),
    (
        "My uncle repairs old radios in his kitchen. He finds them at markets, cleans every "
        "part with a small brush, and is happy for days when a voice comes out of the "
        "speaker."
    ),
    (
        "The price of vegetables rose sharply last month. Farmers blame the dry summer, shops "
        "blame the cost of fuel, and families are starting to plan their meals more "
        "carefully."
    ),
)
