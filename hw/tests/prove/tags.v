// What holds of two sets of four tags, of any one tag in any one set, behind any requests at any distance.
// Block RAM that is read beside a write gives anything. Nothing is made under a name, only named places are
// watched and freed, and not both at once. Each output is a property that fails.
module claims (
    input wire clock,
    input wire reset_drawn,
    input wire set_drawn,
    input wire [1:0] tag_drawn,
    input wire in_valid,
    input wire in_set,
    input wire [1:0] in_tag,
    input wire in_named,
    input wire [1:0] in_way,
    input wire watches_drawn,
    input wire frees_drawn,
    input wire makes_drawn,
    output wire answered_in_order,
    output wire found_in_its_way_if_held,
    output wire made_if_there_is_room,
    output wire never_over_another,
    output wire named_is_found_if_taken,
    output wire named_has_its_tag
);
    reg started = 0;
    always @(posedge clock) started <= 1;
    wire reset = reset_drawn | !started;

    // Requests on their way by their age; the fourth is answered.
    reg [4:1] valid = 0, named = 0, set = 0;
    reg [1:0] tag_1 = 0, tag_2 = 0, tag_3 = 0, tag_4 = 0, way_1 = 0, way_2 = 0, way_3 = 0, way_4 = 0;
    reg makes = 0;
    wire in_watches = watches_drawn & in_named;
    wire in_frees = frees_drawn & in_named & !watches_drawn;
    wire late_makes = makes_drawn & !named[3];

    wire in_ready, out_valid, out_found, out_made, out_freed, out_set;
    wire [1:0] out_way, out_tag;
    tags block (
        .clock(clock), .reset(reset), .in_ready(in_ready), .in_valid(in_valid), .in_set(in_set),
        .in_tag(in_tag), .in_named(in_named), .in_way(in_way), .in_watches(in_watches), .in_frees(in_frees),
        .late_makes(late_makes), .out_valid(out_valid), .out_found(out_found), .out_made(out_made),
        .out_freed(out_freed), .out_set(out_set), .out_way(out_way), .out_tag(out_tag)
    );

    // One tag in one set of all, as it should be: whether it is held, and where; ways taken in its set.
    reg my_set = 0;
    reg [1:0] my_tag = 0, my_way = 0;
    reg is_held = 0;
    reg [3:0] taken = 0;
    // Of the last four requests, which one made it.
    reg [3:0] made_mine = 0;

    wire answers = started & valid[4];
    wire is_here = answers & set[4] == my_set;
    wire is_mine = is_here & !named[4] & tag_4 == my_tag;
    wire is_named = is_here & named[4];
    wire at_mine = is_held & out_way == my_way;
    // The same behind the request that is answered, a bit for each way.
    wire [3:0] here = is_here ? 4'd1 << out_way : 4'd0;
    wire [3:0] taken_now = (taken | (out_made ? here : 4'd0)) & ~(out_freed ? here : 4'd0);
    wire [3:0] mine = is_held ? 4'd1 << my_way : 4'd0;
    wire [3:0] mine_now = (mine | (out_made & is_mine ? here : 4'd0)) & ~(out_freed ? here : 4'd0);
    // Ways that the last requests changed.
    reg [3:0] changed_5 = 0, changed_6 = 0;

    always @(posedge clock) begin
        if (!started) begin
            my_set <= set_drawn;
            my_tag <= tag_drawn;
        end
        valid <= {valid[3:1], in_valid & in_ready};
        named <= {named[3:1], in_named};
        set <= {set[3:1], in_set};
        {tag_4, tag_3, tag_2, tag_1} <= {tag_3, tag_2, tag_1, in_tag};
        {way_4, way_3, way_2, way_1} <= {way_3, way_2, way_1, in_way};
        makes <= late_makes;
        taken <= taken_now;
        if (is_mine & out_made) begin
            is_held <= 1;
            my_way <= out_way;
        end
        if (is_here & out_freed & at_mine) is_held <= 0;
        made_mine <= {made_mine[2:0], is_mine & out_made};
        changed_5 <= out_made | out_freed ? here : 4'd0;
        changed_6 <= changed_5;
        if (reset) begin
            valid <= 0;
            taken <= 0;
            is_held <= 0;
            changed_5 <= 0;
            changed_6 <= 0;
        end
    end

    // Why it holds: what lies in the memories is that, but for a write that is on its way; what is read of
    // them is, but for what changed since; and what is taken along on the way makes it good.
    wire [2:0] first_0, first_1, first_2, first_3, second_0, second_1, second_2, second_3;
    wire [2:0] read_0, read_1, read_2, read_3, data_0, data_1, data_2, data_3;
    wire [3:0] taken_2, equal_2, taken_3, equal_3;
    wire [2:0] me = {1'b1, my_tag};
    wire [11:0] lies = my_set ? {second_3, second_2, second_1, second_0} : {first_3, first_2, first_1, first_0};
    wire [3:0] lies_taken = {lies[11], lies[8], lies[5], lies[2]};
    wire [3:0] lies_mine = {lies[11:9] == me, lies[8:6] == me, lies[5:3] == me, lies[2:0] == me};
    wire [3:0] read_taken = {read_3[2], read_2[2], read_1[2], read_0[2]};
    wire [3:0] read_mine = {read_3 == me, read_2 == me, read_1 == me, read_0 == me};
    wire [3:0] data_taken = {data_3[2], data_2[2], data_1[2], data_0[2]};
    wire [3:0] data_mine = {data_3 == me, data_2 == me, data_1 == me, data_0 == me};
    wire is_1 = valid[1] & set[1] == my_set, is_2 = valid[2] & set[2] == my_set;
    wire is_3 = valid[3] & set[3] == my_set;
    wire has_reason = lies_taken == taken & lies_mine == mine &
        (!is_1 | ((read_taken ^ taken | read_mine ^ mine) & ~changed_5) == 0) &
        (!is_2 | ((data_taken ^ taken | data_mine ^ mine) & ~changed_5 & ~changed_6) == 0) &
        (!is_2 | taken_2 == taken_now & (tag_2 != my_tag | equal_2 == mine_now)) &
        (!is_3 | taken_3 == taken_now & (tag_3 != my_tag | named[3] | equal_3 == mine_now));
    // With its reason, because both together hold from each clock to the next.
    wire lost = started & (in_ready | valid != 0) & !has_reason;
    assign answered_in_order = started & (out_valid != valid[4] | out_valid & out_set != set[4]);
    assign found_in_its_way_if_held = lost |
        is_mine & (out_found != is_held | out_found & out_way != my_way | out_made & is_held);
    assign made_if_there_is_room = is_mine & out_made != (makes & !is_held & taken != 15) | lost;
    assign never_over_another = lost | is_here &
        (out_made & (out_found | taken[out_way]) | out_found & !named[4] & !is_mine & at_mine);
    assign named_is_found_if_taken = is_named & (out_found != taken[way_4] | out_found & out_way != way_4);
    assign named_has_its_tag = is_named & out_found & at_mine & made_mine == 0 & out_tag != my_tag | lost;
endmodule
