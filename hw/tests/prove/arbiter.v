// What holds of the arbiter, in its first clock a reset, whatever its registers held before.
// Each output is a property that fails.
module claims (
    input wire clock,
    input wire reset_drawn,
    input wire [3:0] request,
    output wire one_grant_at_most,
    output wire only_who_asks,
    output wire no_slot_is_lost,
    output wire number_0_waits_one_slot_in_eight,
    output wire number_1_waits_less_than_24,
    output wire number_2_waits_less_than_24,
    output wire number_3_waits_less_than_24,
    output wire alone_beside_0_waits_less_than_8
);
    reg started = 0;
    always @(posedge clock) started <= 1;
    wire reset = reset_drawn | !started;

    wire [3:0] grant;
    arbiter block (.clock(clock), .reset(reset), .request(request), .grant(grant));

    // Slots that each asked in vain, one after the other, this one left out.
    reg [4:0] wait_1 = 0, wait_2 = 0, wait_3 = 0;
    // The same for one that asks alone beside number 0.
    reg [3:0] last_request = 0, wait_alone = 0;
    // Slots since number 0 asked in vain, up to seven.
    reg [2:0] since = 7;
    wire is_alone = request == 3 | request == 5 | request == 9;
    wire alone_in_vain = is_alone & grant == 1;
    wire packets_in_vain = request[0] & !grant[0];

    always @(posedge clock) begin
        wait_1 <= request[1] & !grant[1] ? wait_1 + 1 : 0;
        wait_2 <= request[2] & !grant[2] ? wait_2 + 1 : 0;
        wait_3 <= request[3] & !grant[3] ? wait_3 + 1 : 0;
        last_request <= request;
        wait_alone <= !alone_in_vain ? 0 : request == last_request ? wait_alone + 1 : 1;
        since <= packets_in_vain ? 0 : since == 7 ? 7 : since + 1;
        if (reset) begin
            wait_1 <= 0;
            wait_2 <= 0;
            wait_3 <= 0;
            wait_alone <= 0;
            since <= 7;
        end
    end

    assign one_grant_at_most = started & (grant & (grant - 4'd1)) != 0;
    assign only_who_asks = started & (grant & ~request) != 0;
    assign no_slot_is_lost = started & request != 0 & grant == 0;
    assign number_0_waits_one_slot_in_eight = started & packets_in_vain & since != 7;
    assign number_1_waits_less_than_24 = wait_1 >= 24;
    assign number_2_waits_less_than_24 = wait_2 >= 24;
    assign number_3_waits_less_than_24 = wait_3 >= 24;
    assign alone_beside_0_waits_less_than_8 = wait_alone >= 8;
endmodule
