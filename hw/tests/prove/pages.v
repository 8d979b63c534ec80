// What holds of two pages, in its first clock a reset, whatever its registers held before. Whoever has a
// page may give it back, and nothing else. Each output is a property that fails.
module claims (
    input wire clock,
    input wire reset_drawn,
    input wire marked_drawn,
    input wire take,
    input wire free_drawn,
    input wire free_page,
    output wire never_twice,
    output wire comes_in_turn,
    output wire none_is_lost,
    output wire held_until_taken
);
    localparam OTHERS = 1;

    reg started = 0;
    always @(posedge clock) started <= 1;
    wire reset = reset_drawn | !started;

    wire valid;
    wire page;
    reg [1:0] given = 0;
    wire free = free_drawn & given[free_page];
    pages block (
        .clock(clock), .reset(reset), .valid(valid), .page(page), .take(take),
        .free(free), .free_page(free_page)
    );

    wire gives = valid & take;
    // A page drawn once, and how many others were given out while it was free.
    reg marked = 0;
    reg [1:0] others = 0;
    // The clocks before.
    wire is_silent = started & !valid & given != 2'b11;
    reg last_silent = 0, older_silent = 0;
    reg last_waits = 0;
    reg last_page = 0;

    always @(posedge clock) begin
        if (!started) marked <= marked_drawn;
        if (gives) given[page] <= 1;
        if (free) given[free_page] <= 0;
        if (given[marked]) others <= 0;
        else if (gives && page != marked && others <= OTHERS) others <= others + 1;
        last_silent <= is_silent;
        older_silent <= last_silent & is_silent;
        last_waits <= valid & !take & !reset;
        last_page <= page;
        if (reset) begin
            given <= 0;
            others <= 0;
            last_silent <= 0;
            older_silent <= 0;
        end
    end

    assign never_twice = started & valid & given[page];
    assign comes_in_turn = started & others > OTHERS;
    assign none_is_lost = older_silent & is_silent;
    assign held_until_taken = last_waits & (!valid | page != last_page);
endmodule
